"""What a report is asked for, each value declared once (`engine.settings`). Imports no model."""

import os
import re
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from engine.base import DTYPES
from engine.cli.options import parse_setting
from engine.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.models.shipped import MODEL_HELP
from engine.pruning.strategy_names import StrategyName
from engine.settings import check_settings, setting
from eval.schema import ARGMAX, CONTROLS, DENSE

SMALL = "small"  # names the small model of a cascade among the strategies
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)
SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


def strategy_of(name: str) -> str:
    """The strategy in the name of a strategy or control: ``entropy`` in ``random@entropy``."""
    control, at, strategy = name.partition("@")
    return strategy if at and control in (*CONTROLS, ARGMAX) else name


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
    timed: int | None = setting(None, "measure times on N documents, drawn at random, and F1 on all", 1, inf)
    baselines: tuple[str, ...] = setting(
        ("hf-pipeline",),
        "comma-separated: hf-pipeline,onnx-float32,onnx-int8,openvino-int8, which run the same weights, or those of "
        "another model (onnx-int8@NAME of --others), whole or cut after a layer (onnx-int8=truncate-3); spacy=FOLDER; "
        "or none",
    )
    others: tuple[str, ...] = setting(
        (),
        "other models in the same run, comma-separated; each runs dense, or the strategy in NAME=FOLDER@STRATEGY",
        metavar="NAME=FOLDER",
    )
    out: str = setting("results", "folder for the results")

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, values in (("--batch-size", self.batch_size), ("--dtype", self.dtype)):
            if len(set(values)) < len(values):
                raise InputError(f"{option} names a value twice: {','.join(map(str, values))}. Name each once.")
        for name in self.strategies:
            if name != SMALL:
                StrategyName.parse(strategy_of(name))
        _ = self.settings, self.models  # refuse what cannot be read

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

    @property
    def models(self) -> dict[str, tuple[str, str]]:
        """Folder and strategy of each of the ``others``, by name."""
        matches = (re.fullmatch(r"([^=]+)=([^@]+)(?:@(.+))?", text) for text in self.others)
        models = {match[1]: (match[2], match[3] or DENSE) for match in matches if match}
        if len(models) < len(self.others):
            raise InputError(
                f"--others {','.join(self.others)} does not name each model once. Write e.g. small=FOLDER or "
                "small=FOLDER@entropy:fast."
            )
        return models

    def load(self) -> Corpus:
        """Loads the corpus, whose types are then the scored ones; raises an `InputError` if it cannot be measured."""
        corpus = super().load()
        if self.timed is not None and self.timed > (most := len(corpus.documents)):
            raise InputError(f"--timed {self.timed} is more than the {most} documents of {corpus.name}. Lower it.")
        types = tuple(dict.fromkeys(self.types)) or corpus.types
        if not types:
            raise InputError(f"{corpus.name} has no gold entities. Choose a file that has, or name --types.")
        return replace(corpus, types=types)
