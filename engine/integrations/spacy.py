"""The spaCy component ``nlp.add_pipe("token_pruning_ner")``, which runs an engine; spaCy finds it by entry point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Token
from spacy.training import Example
from spacy.util import filter_spans, minibatch

from engine.base import Engine
from engine.loading import load_engine
from engine.result import Result

NAME = "token_pruning_ner"


@Language.factory(
    NAME,
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0},
    default_config={"model": None, "strategy": None, "point": None, "dtype": "auto", "device": "cpu", "labels": None},
)
def token_pruning_ner(
    nlp: Language,
    name: str,
    model: str | None,
    strategy: str | None,
    point: str | None,
    dtype: str,
    device: str,
    labels: str | None,
) -> EntityTagger:
    """Builds the component; see `load_engine`, and `Engine.strategy` for ``strategy`` and ``point``."""
    return EntityTagger(load_engine(model, dtype, device, labels), strategy, point)


class EntityTagger:
    """Sets ``doc.ents``; entities that begin or end within a token are expanded to the whole token.

    Of overlapping entities, including those of earlier components, the longest, then the first, is kept. Tokens that
    ``doc.set_ents`` blocked stay outside of entities.
    """

    def __init__(self, engine: Engine, strategy: str | None = None, point: str | None = None) -> None:
        self.engine = engine
        self.strategy = engine.strategy(strategy, point)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.engine.labels.types

    def __call__(self, doc: Doc) -> Doc:
        return _with_entities(doc, self.engine.tag(doc.text, self.strategy))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 32) -> Iterator[Doc]:
        for docs in minibatch(stream, batch_size):
            results = self.engine.tag_batch([doc.text for doc in docs], self.strategy)
            yield from map(_with_entities, docs, results)

    def score(self, examples: Iterable[Example], **_: Any) -> dict[str, Any]:
        """Precision, recall and F1 of the entities, 0–1, as ``nlp.evaluate`` reports them."""
        return get_ner_prf(examples)


def _with_entities(doc: Doc, result: Result) -> Doc:
    spans = [doc.char_span(e.start, e.end, e.type, alignment_mode="expand") for e in result.entities]
    free = [span for span in spans if span is not None and not any(map(_is_blocked, span))]
    blocked = [doc[token.i : token.i + 1] for token in doc if _is_blocked(token)]
    doc.set_ents(filter_spans([*doc.ents, *free]), blocked=blocked)
    return doc


def _is_blocked(token: Token) -> bool:
    return token.ent_iob_ == "B" and not token.ent_type
