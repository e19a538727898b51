"""Taggers: each tags texts under a strategy, a control or another model; `eval.measure.baselines` has the baselines.

A control computes as much as a strategy but chooses it at random, which shows what a controller's choice is worth.
"""

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from engine.base import Engine
from engine.errors import InputError
from engine.loading import load_engine
from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.policies import GivenExits
from engine.pruning.record import WindowRecord
from engine.pruning.recovery import Recovery
from engine.pruning.signals import normalised_entropy
from engine.pruning.strategy import Strategy
from engine.result import Result
from engine.text.words import Span
from eval.record import Prediction, Variant
from eval.schema import ARGMAX, DENSE, MODEL, RANDOM, RANDOM_SEEDS, SENTENCE, TRUNCATE

# Texts and a seed → the layer after which each word of each window exits, int64 ``(words,)``; not timed.
Exits = Callable[[Sequence[str], int], list[np.ndarray]]
REST_S = 0.01  # before every call, because idle threads of what ran before spin for milliseconds and slow it


@dataclass(eq=False)
class Tagger(ABC):
    """Tags texts under a variant."""

    variant: Variant
    threads: int = field(default_factory=torch.get_num_threads, kw_only=True)  # of torch during its calls
    seeds: int = field(default=1, kw_only=True)  # under which it tags; only the first is timed
    # Frees what calls have loaded; it is loaded again when needed.
    release: Callable[[], object] = field(default=lambda: None, kw_only=True)

    @abstractmethod
    def prepare(self, texts: Sequence[str], seed: int) -> Callable[[], Sequence[Result] | Sequence[Prediction]]:
        """Returns the call that tags texts, and that is timed, after what has to come before it."""

    def tag(self, texts: Sequence[str], seed: int = 0) -> tuple[list[Prediction], float]:
        """Returns what it finds in texts in one call, and its milliseconds, from texts to entities."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            call = self.prepare(texts, seed)
            time.sleep(REST_S)
            begin = time.perf_counter()
            results = call()
            ms = (time.perf_counter() - begin) * 1e3
        finally:
            torch.set_num_threads(before)
        whole = self.variant.strategy is not None
        return [Prediction(r.entities, *((r.paths, r.cost) if whole else ())) for r in results], ms


@dataclass(eq=False)
class EngineTagger(Tagger):
    """Tags with a strategy of an engine."""

    engine: Engine
    strategy: Strategy
    exits: Exits | None = None  # of a control

    def prepare(self, texts: Sequence[str], seed: int) -> Callable[[], Sequence[Result]]:
        strategy = self.strategy
        if self.exits is not None:
            strategy = replace(strategy, controller=GivenExits(self.exits(texts, seed)), point="")
        return partial(self.engine.tag_batch, texts, strategy, batch_size=len(texts))


def strategy_tagger(engine: Engine, strategy: Strategy, title: str = "") -> EngineTagger:
    """A strategy of the engine; ``title``: its name in the report, by default its own."""
    record = strategy.to_json() if strategy.settings() else {}
    shown = {key: value for key, value in record.items() if key not in ("name", "point")}
    layers = tuple(stage.sizes.layers for stage in engine.stages_of(strategy))
    cut, is_default = strategy.gates[0] if strategy.kind == TRUNCATE else 0, strategy.title == engine.strategy().title
    about = Variant(
        title or strategy.title, strategy.kind, engine.dtype, engine.device, strategy, shown, layers,
        layer=cut, is_default=is_default,
    )  # fmt: skip
    return EngineTagger(about, engine, strategy)


def model_tagger(name: str, engine: Engine, strategy: Strategy, control: str = "") -> EngineTagger:
    """Another model, e.g. with fewer layers, under one of its strategies; its costs cannot be compared with ours."""
    settings = {"dtype": engine.dtype, "layers": str(engine.sizes.layers), "weights": engine.digest[:16]}
    if strategy.kind != DENSE:
        settings["strategy"] = json.dumps(strategy.to_json())
    variant = Variant(name, MODEL, engine.dtype, engine.device, settings=settings, control=control)
    return EngineTagger(variant, engine, strategy)


def control_of(tagger: EngineTagger, kind: str, exits: Exits, seeds: int = 1) -> EngineTagger:
    """The control of a strategy in which other words exit."""
    variant = replace(
        tagger.variant, name=f"{kind}@{tagger.variant.name}", kind=kind, settings={}, control=kind, is_default=False
    )
    return replace(tagger, variant=variant, exits=exits, seeds=seeds)


def random_exits(engine: Engine, strategy: Strategy, title: str = "", seeds: int = RANDOM_SEEDS) -> EngineTagger:
    """The control of a strategy in which as many words of each window exit at each gate, but chosen at random.

    Raises an `InputError` if the strategy does not prune, or recovers words.
    """
    if strategy.kind not in CONTROLLERS or strategy.recovery is not None:
        kinds = ", ".join(CONTROLLERS)
        raise InputError(f"{RANDOM}@ needs one of {kinds} without recovery, not {strategy.title!r}.")

    def exits(texts: Sequence[str], seed: int) -> list[np.ndarray]:
        return [
            np.random.default_rng([seed, *window_seed(record)]).permutation(record.exit_at)
            for result in engine.tag_batch(texts, strategy, batch_size=len(texts))
            for record in result.passes[-1].records
        ]

    return control_of(strategy_tagger(engine, strategy, title), RANDOM, exits, seeds)


def sentence_exits(engine: Engine, strategy: Strategy, title: str = "") -> EngineTagger:
    """The control that lets a whole sentence exit, at the first gate where each of its words is certain (as SENTEE).

    Certain is what the strategy's thresholds say. The gates' label heads run over all words before the call, which
    therefore does not pay for deciding. SENTEE: Li et al. 2021, https://arxiv.org/abs/2105.13878.

    Raises an `InputError` if the strategy is not ``entropy``, or recovers words.
    """
    if not isinstance(strategy.controller, EntropyController) or strategy.recovery is not None:
        raise InputError(f"{SENTENCE}@ takes entropy without recovery, not {strategy.title!r}.")
    all_stay = strategy.with_settings(min_keep_ratio=1.0, gates=strategy.gates)
    thresholds = np.broadcast_to(strategy.controller.max_entropy, len(strategy.gates))

    def exit_at(record: WindowRecord, sentences: np.ndarray) -> np.ndarray:
        _, sentence = np.unique(sentences, return_inverse=True)
        layers = np.full(len(sentence), record.layers)
        for gate, threshold in reversed(list(zip(record.gates, thresholds, strict=True))):
            uncertain = np.bincount(sentence, normalised_entropy(gate.probabilities) > threshold) > 0
            layers[~uncertain[sentence]] = gate.number
        return layers

    def exits(texts: Sequence[str], _: int) -> list[np.ndarray]:
        return [
            exit_at(record, sentences[record.window.first : record.window.first + record.window.num_words])
            for result in engine.tag_batch(texts, all_stay, batch_size=len(texts))
            for sentences in [sentences_of(result.text, result.words)]
            for record in result.passes[-1].records
        ]

    return control_of(strategy_tagger(engine, strategy, title), SENTENCE, exits)


def sentences_of(text: str, words: Sequence[Span]) -> np.ndarray:
    """The number of each word's sentence, int64 ``(words,)``: one ends at ``.?!`` before a blank and a capital."""
    stops = [match.end() for match in re.finditer(r"[.?!](?=\s+[A-Z])", text)]
    return np.searchsorted(stops, [start for start, _ in words], side="right")


def with_argmax(engine: Engine, strategy: Strategy, title: str = "") -> EngineTagger:
    """A strategy whose words have their likeliest labels: no constraints, no abbreviations."""
    options = engine.dtype, engine.device, None, engine.threads
    plain = load_engine(engine.source, *options, constraints=False, abbreviations=False)
    return model_tagger(f"{ARGMAX}@{title or strategy.title}", plain, strategy, ARGMAX)


# By control, which stands before the @ of a name.
MAKERS: Mapping[str, Callable[[Engine, Strategy, str], Tagger]] = {
    "": strategy_tagger,
    RANDOM: random_exits,
    SENTENCE: sentence_exits,
    ARGMAX: with_argmax,
}


class RandomWords(Recovery):
    """Recovery that brings back as many words of each window as it would otherwise, but chooses them at random."""

    def choose(self, record: WindowRecord) -> np.ndarray:
        """Returns the words, bool ``(words,)``, that come back after a finished pass."""
        exited = np.flatnonzero(record.exited)
        chosen = np.zeros(len(record.exited), dtype=bool)
        generator = np.random.default_rng(window_seed(record))
        chosen[generator.choice(exited, int(super().choose(record).sum()), replace=False)] = True
        return chosen


def window_seed(record: WindowRecord) -> list[int]:
    """A seed that depends on the window alone."""
    pieces = record.window.input_ids
    return [int(pieces.sum()), len(pieces)]
