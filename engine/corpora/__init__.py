"""Corpora with gold entities."""

from engine.corpora.loading import Corpus, load_corpus, only_types, parse_name, sample_title

__all__ = ["Corpus", "load_corpus", "only_types", "parse_name", "sample_title"]
