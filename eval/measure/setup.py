"""Loads the models that a `ReportConfig` names, and makes a tagger of each variant."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.base import Engine
from engine.corpora import Corpus, load_corpus
from engine.corpora.named import NAMED
from engine.errors import InputError
from engine.loading import load_engine
from engine.pruning.strategy_names import CASCADE
from engine.text.documents import Document
from eval.config import SMALL, ReportConfig, VariantName
from eval.measure.baselines import load_baselines
from eval.measure.taggers import MAKERS, Tagger, model_tagger, strategy_tagger
from eval.schema import DENSE
from eval.statistics import SEED

BATCHES = 10  # fewest calls that are timed
REFERENCE = "float32"  # the dtype of the dense pass with which everything is compared


def load_taggers(config: ReportConfig, corpus: Corpus, training: Sequence[Document]) -> list[Tagger]:
    """Loads the models and makes a tagger of each variant; the first is dense in float32, with which all is compared.

    ``training``: documents of the corpus' training split.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    engines = load_engines(config.model, config.dtype, config.device, config.labels)
    engines.sort(key=lambda engine: engine.dtype != REFERENCE)
    reference = engines[0]
    if reference.dtype != REFERENCE:
        reference = load_engine(config.model, REFERENCE, config.device, config.labels)
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(reference.labels.types):
        raise InputError(f"Neither the gold nor the model has the types {sorted(unknown)}. Fix --types.")
    check_types(corpus.types, reference.labels.types)

    others = [
        model_tagger(Path(engine.source).name, engine, engine.strategy(DENSE))
        for folder in config.others
        for engine in load_engines(folder, [engine.dtype for engine in engines], config.device)
    ]
    baselines = load_baselines(reference, config.runtimes, [document.text for document in training])
    dense = [] if reference in engines else [strategy_tagger(reference, reference.strategy(DENSE))]
    taggers = [*dense, *choose_variants(engines, config.variants, config.settings), *baselines, *others]
    name_variants(taggers)
    return taggers


def check_types(types: Sequence[str], known: Sequence[str]) -> None:
    """Raises `InputError` if the model knows none of the types to be scored."""
    if not set(types) & set(known):
        raise InputError(
            f"The model finds none of the corpus' types {list(types)}; it finds {list(known)}. Rename the corpus' "
            "types or choose another model."
        )


def name_variants(taggers: Sequence[Tagger]) -> None:
    """Adds the dtype to the names of variants that run in several; raises `InputError` if two have the same name."""
    names = Counter(tagger.variant.name for tagger in taggers)
    for tagger in taggers:
        if names[tagger.variant.name] > 1:
            tagger.variant = replace(tagger.variant, name=f"{tagger.variant.name} ({tagger.variant.dtype})")
    names = Counter(tagger.variant.name for tagger in taggers)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"Two variants are named {twice[0]}. Remove one, or rename the folder in --others.")


def training_documents(corpus: Corpus, data_dir: str | Path | None = None) -> Sequence[Document]:
    """A named corpus' training split that shares no document with the evaluated split; empty if there is none."""
    splits = NAMED[corpus.name].splits if corpus.name in NAMED else ()
    split = "train" if "fit" not in splits or (corpus.split == "dev" and "train" in splits) else "fit"
    if split not in splits or corpus.split in ("train", "fit"):
        return ()
    return load_corpus(corpus.name, split, data_dir).documents


def draw(documents: int, timed: int | None, size: int) -> list[int]:
    """Indices of the documents that are timed ``size`` a call, drawn at random; all unless a number is given.

    More are drawn where these are too few for ten calls, on which a ratio rests; some again if there are no more.
    """
    count, generator = max(timed or documents, BATCHES * size), np.random.default_rng(SEED)
    rounds = [generator.permutation(documents) for _ in range(0, count, documents)]
    return np.concatenate(rounds)[:count].tolist()


def load_engines(
    model: str | None, dtypes: Sequence[str], device: str = "cpu", labels: str | None = None
) -> list[Engine]:
    """Loads one engine for each dtype; skips ``auto`` if it resolves to a dtype already loaded."""
    engines: dict[str, Engine] = {}
    for dtype in dtypes:
        engine = load_engine(model, dtype, device, labels)
        engines.setdefault(engine.dtype, engine)
    return list(engines.values())


def choose_variants(
    engines: Sequence[Engine], names: Sequence[VariantName], settings: Mapping[str, Mapping[str, Any]]
) -> list[Tagger]:
    """For each engine: dense, and the strategies and controls named, or the model's default if none is.

    ``settings``: those that are changed, by strategy.

    Raises an `InputError` if a name or setting is unknown, or a setting is given for a strategy that does not run.
    """
    taggers: list[Tagger] = []
    for engine in engines:
        default = [engine.default_strategy]
        if CASCADE in engine.runnable:
            default = [*(f"{CASCADE}:{point}" for point in engine.points[CASCADE]), SMALL]
        asked = dict.fromkeys((VariantName.of_strategy(DENSE), *(names or map(VariantName.of_strategy, default))))
        if idle := sorted(settings.keys() - {str(name.strategy) for name in asked}):
            raise InputError(f"--set changes {idle[0]!r}, which does not run. Add it to --strategies.")
        for name in asked:
            if name.text == SMALL:
                small, *_ = engine.strategy(CASCADE).stages  # which refuses a model that is no cascade
                taggers.append(model_tagger(SMALL, engine.stages[0], small))
            else:
                strategy = engine.strategy(name.strategy, **settings.get(str(name.strategy), {}))
                title = str(name.strategy) if name.strategy.point else ""  # whatever its settings
                taggers.append(MAKERS[name.control](engine, strategy, title))
    return taggers
