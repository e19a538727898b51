"""What a report is asked for, each value declared once (`engine.settings`). Imports no model."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any, Self

from engine.base import DTYPES
from engine.cli.options import parse_setting
from engine.corpora import Corpus, load_corpus, parse_name
from engine.errors import InputError
from engine.models.shipped import MODEL_HELP
from engine.pruning.strategy_names import StrategyName
from engine.settings import check_settings, setting
from eval.schema import ARGMAX, CONTROLS, DENSE, PIPELINE, SPACY

SMALL = "small"  # names the small model of a cascade among the strategies
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)
SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


@dataclass(frozen=True)
class VariantName:
    """What was typed for something to measure, read once."""

    text: str
    strategy: StrategyName
    control: str = ""  # random, sentence or argmax, before an @
    runtime: str = ""  # of a baseline; ours if empty
    folder: str = ""  # of spaCy's model

    @classmethod
    def of_strategy(cls, text: str) -> Self:
        """Reads ``STRATEGY``, ``CONTROL@STRATEGY`` or ``small``; raises an `InputError` if it is none of these."""
        control, at, strategy = text.partition("@")
        if not at or control not in (*CONTROLS, ARGMAX):
            control, strategy = "", text
        return cls(text, StrategyName(DENSE) if text == SMALL else StrategyName.parse(strategy), control)

    @classmethod
    def of_baseline(cls, text: str) -> Self:
        """Reads ``RUNTIME``, ``RUNTIME=truncate-K`` or ``spacy=FOLDER``; raises an `InputError` for others."""
        runtime, cut, strategy = text.partition("=")
        if runtime == SPACY:
            return cls(text, StrategyName(DENSE), runtime=runtime, folder=strategy)
        name = StrategyName.parse(strategy or DENSE)
        if cut and (not name.layer or runtime == PIPELINE):
            raise InputError(f"Only onnx-… and openvino-… can be cut, by =truncate-K, not {text!r}.")
        return cls(text, name, runtime=runtime)


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Documents with gold."""

    corpus: str | None = setting(None, "bc5cdr, ncbi-disease, a file or hf:ID; by default the sample corpus")
    split: str = setting("test", "train, dev, test; bc5cdr also fit, calib")
    data_dir: str | None = setting(None, "where to look for named corpora first")
    limit: int | None = setting(None, "use only the first N documents", 1, inf)
    skip_bad: bool = setting(False, "leave out broken documents with a warning")

    def __post_init__(self) -> None:
        check_settings(self)

    def load(self) -> Corpus:
        """Loads the corpus, or the sample; raises an `InputError` if it cannot be read or has no documents."""
        name = self.corpus or SAMPLE
        corpus = load_corpus(name, self.split, self.data_dir, skip_bad=self.skip_bad, limit=self.limit)
        if not corpus.documents:
            raise InputError(f"{corpus.name} has no documents. Choose another file.")
        return corpus if self.corpus else replace(corpus, name="sample")

    def notes(self, corpus: Corpus) -> list[str]:
        """What readers must know first about what was loaded."""
        skipped = [f"Broken documents left out: {corpus.skipped}."] if corpus.skipped else []
        return skipped if self.corpus else [SAMPLE_NOTE, *skipped]


@dataclass(frozen=True, kw_only=True)
class ReportConfig(CorpusConfig):
    """What a report measures; `engine.settings.to_values` and `from_values` convert it to JSON and back."""

    model: str | None = setting(None, MODEL_HELP)
    strategies: tuple[str, ...] = setting(
        (),
        "dense,rule,entropy,entropy:fast,mlp,entropy+recovery,truncate-3,…, the controls random@entropy, "
        "sentence@entropy and argmax@dense, for a cascade also cascade:fast,small; dense always runs (default: that of "
        "the model; for a cascade its operating points and its small model)",
    )
    set: tuple[str, ...] = setting(
        (), "change a setting, e.g. rule.lambda=1; may be repeated", separator="", metavar="STRATEGY.SETTING=VALUE"
    )
    batch_size: tuple[int, ...] = setting((1, 32), "texts per call, comma-separated", 1, inf)
    types: tuple[str, ...] = setting((), "entity types to score, comma-separated (default: those in the corpus)")
    threads: int | None = setting(None, "processor threads; by default torch's", 1, os.cpu_count() or 1)
    labels: str | None = setting(None, "what the model's labels mean, one a line", metavar="FILE")
    device: str = setting("cpu", "cpu or cuda")
    dtype: tuple[str, ...] = setting(
        ("auto",), "comma-separated; dense also runs in float32, with which all is compared", choices=DTYPES
    )
    elsewhere: tuple[str, ...] = setting(
        (), "further corpora, scored in the same run but not timed, comma-separated", metavar="NAME[:SPLIT],FILE"
    )
    leave_out: tuple[str, ...] = setting(
        (), "corpora whose documents are left out of all others, by id, comma-separated", metavar="NAME[:SPLIT]"
    )
    timed: int | None = setting(
        None, "measure times on N documents, or ten calls if these take more, drawn at random; F1 on all", 1, inf
    )
    baselines: tuple[str, ...] = setting(
        ("hf-pipeline",),
        "comma-separated: hf-pipeline,onnx-float32,onnx-int8,openvino-int8, which run the same weights, whole or cut "
        "after a layer (onnx-int8=truncate-3); spacy=FOLDER; or none",
    )
    others: tuple[str, ...] = setting(
        (), "folders of other models, comma-separated; their full passes run beside", metavar="FOLDER"
    )
    out: str = setting("results", "folder for the results")

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, values in (("--batch-size", self.batch_size), ("--dtype", self.dtype)):
            if len(set(values)) < len(values):
                raise InputError(f"{option} names a value twice: {','.join(map(str, values))}. Name each once.")
        _ = self.variants, self.runtimes, self.settings  # refuse what cannot be read

    @cached_property
    def variants(self) -> tuple[VariantName, ...]:
        """The ``strategies``."""
        return tuple(map(VariantName.of_strategy, self.strategies))

    @cached_property
    def runtimes(self) -> tuple[VariantName, ...]:
        """The ``baselines``."""
        return tuple(VariantName.of_baseline(text) for text in self.baselines if text != "none")

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings that ``set`` changes, by strategy."""
        settings: dict[str, dict[str, Any]] = {}
        for text in self.set:
            match = re.fullmatch(r"([^.=]+)\.([^=]+)=(.*)", text, re.DOTALL)
            if not match:
                raise InputError(f"--set {text} is not STRATEGY.SETTING=VALUE. Write e.g. --set rule.lambda=1.")
            settings.setdefault(match[1], {}).update([parse_setting(match[2], match[3])])
        return settings

    def load(self) -> Corpus:
        """Loads the corpus, whose types are then the scored ones; raises an `InputError` if it cannot be measured."""
        corpus = self._without_left_out(super().load())
        if self.timed is not None and self.timed > (most := len(corpus.documents)):
            raise InputError(f"--timed {self.timed} is more than the {most} documents of {corpus.name}. Lower it.")
        types = tuple(dict.fromkeys(self.types)) or corpus.types
        if not types:
            raise InputError(f"{corpus.name} has no gold entities. Choose a file that has, or name --types.")
        return replace(corpus, types=types)

    def load_elsewhere(self, types: Collection[str]) -> list[Corpus]:
        """Loads the further corpora, each with those of the ``types`` that it annotates.

        Raises an `InputError` if one cannot be read, or annotates none.
        """
        corpora = []
        for corpus in map(self._read, self.elsewhere):
            scored = tuple(type_ for type_ in corpus.types if type_ in types)
            if not scored:
                raise InputError(f"{corpus.title} has none of the types {list(types)}. Leave it out of --elsewhere.")
            corpora.append(replace(self._without_left_out(corpus), types=scored))
        return corpora

    def _read(self, text: str) -> Corpus:
        name, split = parse_name(text)
        return load_corpus(name, split or "test", self.data_dir, skip_bad=self.skip_bad)

    @cached_property
    def _left_out(self) -> frozenset[str]:
        """The ids of the documents that are left out."""
        return frozenset(document.id for corpus in map(self._read, self.leave_out) for document in corpus.documents)

    def _without_left_out(self, corpus: Corpus) -> Corpus:
        documents = tuple(document for document in corpus.documents if document.id not in self._left_out)
        if not documents:
            raise InputError(f"--leave-out {','.join(self.leave_out)} leaves no document of {corpus.title}. Name less.")
        return replace(corpus, documents=documents)
