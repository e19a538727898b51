"""Makes a cascade: ``python -m engine.training.cascade LARGE --small SMALL --texts FILE… --out FOLDER``.

With ``--student ENCODER`` in place of ``--small`` it first makes the small model, which learns the large one's output
on most of the texts (see ``engine.training.accelerate``); the others are held out. It stays in ``FOLDER-student``, and
what was interrupted goes on.

Both models tag held-out texts, and for each kind of doubt it is measured how much agreement with the large model's
dense pass is lost while that model reads less and less, the windows of least doubt first. The kind that loses least on
average is taken, and each operating point gets the threshold at which the large model reads its share of the words. No
gold is needed, and neither model changes.

Shares and not limits of agreement, because agreement does not tell F1 here: where the models differ, the small one is
often right (docs/lab/2026-11-30-cascade.md).
"""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from engine.cascade import DISAGREEMENT, MEASURES, Cascade, Doubt, columns_of, features
from engine.cli.command import as_command
from engine.cli.runs import check_new, write_json
from engine.errors import InputError
from engine.formats.texts import read_texts
from engine.loaded import DTYPES
from engine.models.checksums import SUMS, write_checksums
from engine.models.folder import CASCADES, COMPILED, CONTROLLER, GATES, INT8, POINTS, SMALL, optional_file
from engine.pruning.cost import Cost, add, unread_cost, window_cost, with_small
from engine.pruning.record import distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, OPERATING_POINTS
from engine.pytorch.checkpoint import copy_checkpoint, load_weights
from engine.tagger import Engine, load_engine
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_matches
from engine.text.windows import Window
from engine.text.words import Span
from engine.training.accelerate import AccelerateConfig, EndedError, make_fast
from engine.training.card import table
from engine.training.data import MIN_WINDOWS, split_texts
from engine.training.quantise import add_compiled
from engine.training.trials import Reference, Trial

SHARE = "0.6,0.4,0.2"  # of the held-out words for the large model, at careful, balanced and fast
# Shares of the words that the large model reads, at which agreement is measured.
SHARES: tuple[float, ...] = tuple(np.linspace(0.04, 0.96, 24).tolist())
SHOWN = (0.2, 0.3, 0.4, 0.5, 0.6)
WEIGHT = 0.25  # of the small model where both read
RIDGE, STEPS = 1.0, 20  # of the regression
CALL = 16  # texts that are tagged together


@dataclass(frozen=True, eq=False)
class Tagged:
    """A text as both models tag it.

    ``small``, ``large``: label distributions, float32 ``(words, labels)``, labels in the order of the large model.
    ``windows``: those of the large model. ``costs``: of each, if the large model reads it, and if not.
    ``small_cost``: cost of the small model. ``dense``: the entities of the large model's dense pass.
    """

    text: str
    words: list[Span]
    small: np.ndarray
    large: np.ndarray
    windows: Sequence[Window]
    costs: Sequence[tuple[Cost, Cost]]
    small_cost: Cost
    dense: tuple[Entity, ...]


@dataclass(frozen=True)
class Pair:
    """A large and a small model with their strategies."""

    large: Engine
    small: Engine
    strategy: Strategy
    small_strategy: Strategy

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """Tags texts with both models; raises an `InputError` if these have other labels."""
        columns, sizes = columns_of(self.small.labels, self.large.labels), self.large.sizes
        tagged = []
        for begin in tqdm(range(0, len(texts), CALL), desc="both models", disable=None):
            call = texts[begin : begin + CALL]
            windows = self.large.pieces.of_texts(call)[1]
            runs = self.large.run(windows, self.strategy)
            dense_runs = runs if self.strategy.kind == DENSE else self.large.run(windows, Strategy(DENSE))
            firsts = self.small.tag_batch(call, self.small_strategy)
            for first, of_text, own, dense_run in zip(firsts, windows, runs, dense_runs, strict=True):
                small = first.probabilities[:, columns]
                large = distributions(own, len(columns))
                read = [window_cost(sizes, record, slot.index) for slot, record in own]
                costs = list(zip(read, (unread_cost(sizes, window) for window in of_text), strict=True))
                dense = self.large.labels.decode(first.text, first.words, distributions(dense_run, len(columns)))
                tagged.append(Tagged(first.text, first.words, small, large, of_text, costs, first.cost, dense))
        return tagged

    def agreement(self, tagged: Sequence[Tagged]) -> Reference:
        """The reference for agreement with the large model's dense pass."""
        return Reference.of_dense(self.large, [Document("", one.text, one.dense) for one in tagged])

    def cascade(self, doubt: Doubt) -> Cascade:
        """The cascade of both in which the large model reads everything."""
        own = vars(self.strategy) | {"name": CASCADE, "point": ""}
        return Cascade(**own, small=self.small_strategy, doubt=doubt, threshold=0.0, weight=WEIGHT)


def fit_disagreement(tagged: Sequence[Tagged]) -> Doubt:
    """Fits the probability that the large model gives a word another label, by Newton's method.

    The ridge keeps the coefficients finite if the models agree everywhere, or wherever a measure is 0.
    """
    x = np.concatenate([features(one.small) for one in tagged])
    other = np.concatenate([one.small.argmax(1) != one.large.argmax(1) for one in tagged])
    coefficients = np.zeros(x.shape[1])
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(-x @ coefficients))
        slope = x.T @ (expected - other) + RIDGE * coefficients
        curvature = (x.T * (expected * (1 - expected))) @ x + RIDGE * np.eye(len(coefficients))
        coefficients -= np.linalg.solve(curvature, slope)
    return Doubt(DISAGREEMENT, tuple(coefficients.tolist()))


@dataclass(frozen=True)
class Curve:
    """A cascade at several thresholds on the same texts, from all windows for the large model to none.

    ``shares``: share of the words, 0–1, that the large model reads in each trial.
    """

    trials: tuple[Trial, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, strategy: Cascade, tagged: Sequence[Tagged], reference: Reference, pair: Pair) -> Curve:
        """Measures a cascade against a reference of the tagged texts, at a threshold for about each of `SHARES`."""
        judged = [window for one in tagged for window in strategy.judge(one.small, one.windows)]
        judged.sort(key=lambda window: -window.doubt)
        read = np.cumsum([window.end - window.first for window in judged])
        at = (judged[index].doubt for index in read.searchsorted(np.array(SHARES) * read[-1]))
        thresholds = sorted({0.0, *at, judged[0].doubt + 1})
        found = [measure(replace(strategy, threshold=one), tagged, reference, pair) for one in thresholds]
        return cls(tuple(trial for trial, _ in found), tuple(share for _, share in found))

    def f1_at(self, shares: Sequence[float]) -> np.ndarray:
        """F1 at shares of the words, interpolated."""
        return np.interp(shares, self.shares[::-1], [trial.f1 for trial in self.trials[::-1]])

    def choose(self, shares: Mapping[str, float]) -> dict[str, tuple[Trial, float]]:
        """Maps operating points to trials and their shares, those nearest to the wanted ones.

        Raises:
            InputError: if the large model then reads everything or nothing, or both compute more than it alone.
        """
        found = {}
        for point, wanted in shares.items():
            near = min(range(len(self.shares)), key=lambda index: abs(self.shares[index] - wanted))
            trial, share = self.trials[near], self.shares[near]
            if not 0 < share < 1 or trial.cost.macs >= trial.cost.dense_macs:
                raise InputError(
                    f"expected --share of {point} at which some windows go on and both models compute less than the "
                    f"large one alone, got {wanted:g}, where {share:.0%} of the words go on; give another, more texts, "
                    "or a smaller small model"
                )
            found[point] = replace(trial, strategy=replace(trial.strategy, point=point)), share
        return found


def parse_shares(given: str) -> dict[str, float]:
    """Maps operating points to the share of the words that the large model reads; in text they are joined by commas."""
    try:
        shares = [float(part) for part in given.split(",")]
    except ValueError:
        shares = []
    wanted = len(OPERATING_POINTS)
    if len(shares) != wanted or shares != sorted(set(shares), reverse=True) or not 0 < shares[-1] < shares[0] < 1:
        raise InputError(
            f"expected {wanted} descending numbers between 0 and 1 for --share, got {given!r}; write e.g. {SHARE}"
        )
    return dict(zip(OPERATING_POINTS, shares, strict=True))


def measure(strategy: Cascade, tagged: Sequence[Tagged], reference: Reference, pair: Pair) -> tuple[Trial, float]:
    """Measures a cascade on texts that both models have tagged; also returns the share of the words that go on."""
    layers = pair.small.sizes.layers + pair.large.sizes.layers
    counts: list[Counts] = []
    costs: list[Cost] = []
    read_words = 0
    for one, document in zip(tagged, reference.documents, strict=True):
        judged = strategy.judge(one.small, one.windows)
        large = np.concatenate([one.large[:0], *(one.large[of.first : of.end] for of in judged if of.read)])
        entities = pair.large.labels.decode(one.text, one.words, strategy.merge(one.small, judged, large))
        counts.append(count_matches(document.entities, entities, reference.types))
        of_windows = [read if of.read else unread for (read, unread), of in zip(one.costs, judged, strict=True)]
        costs.append(with_small(add(of_windows, pair.large.sizes.layers), one.small_cost))
        read_words += len(large)
    trial = Trial(strategy, tuple(counts), reference.dense, add(costs, layers))
    return trial, read_words / sum(len(one.words) for one in tagged)


def make_student(arguments: argparse.Namespace, texts: Sequence[str], command: str) -> tuple[Path, list[str]]:
    """Makes a small model that learns the large one's output; returns its folder, and texts that it has not seen."""
    folder = arguments.out.with_name(f"{arguments.out.name}-student")
    config = AccelerateConfig(
        checkpoint=arguments.large,
        student=arguments.student,
        out=str(folder),
        minutes=arguments.minutes,
        dtype=arguments.dtype,
    )
    learned, held_out = split_texts(texts, (), load_engine(arguments.large, "float32").pieces, config.seed)
    with suppress(EndedError):
        print(table(make_fast(config, arguments.large, learned, held_out, command, resume=True)))
    return folder, held_out


def copy_model(source: str, folder: Path, texts: Sequence[str], dtype: str) -> Engine:
    """Copies what a model is loaded from, byte for byte, adds layers in 8 bits if they are missing, and loads it."""
    weights = load_weights(source)
    folder.mkdir()
    copy_checkpoint(weights, folder)
    for name in (GATES, CONTROLLER, POINTS, INT8, COMPILED):
        if file := optional_file(weights.path, name):
            shutil.copyfile(file, folder / name)
    write_checksums(folder)
    if dtype == "int8" and not (folder / COMPILED).is_file():
        add_compiled(folder, texts)
    return load_engine(folder, dtype)


def doubt_table(curves: Mapping[str, Curve]) -> Iterator[str]:
    """Yields the lines of a Markdown table of each kind of doubt at some shares of the words."""
    yield "| agreement, words to the large model | " + " | ".join(f"{share:.0%}" for share in SHOWN) + " |"
    yield "| --- |" + " --- |" * len(SHOWN)
    for kind, one in curves.items():
        yield f"| {kind} | " + " | ".join(f"{f1:.4f}" for f1 in one.f1_at(SHOWN)) + " |"


def check(pair: Pair, tagged: Sequence[Tagged]) -> None:
    """Raises an `InputError` if there are too few windows to choose on, or the large model computes less."""
    windows = sum(len(one.windows) for one in tagged)
    if windows < MIN_WINDOWS:
        raise InputError(f"expected at least {MIN_WINDOWS} windows in the held-out texts, got {windows}; give more")
    small, large = sum(one.small_cost.macs for one in tagged), sum(read.macs for one in tagged for read, _ in one.costs)
    if small >= large:
        raise InputError(
            f"expected a small model that computes less than the large one, got {small:.2g} MACs in "
            f"{pair.small.source!r} and {large:.2g} in {pair.large.source!r}; exchange them, or choose another"
        )


def choose(pair: Pair, texts: Sequence[str], shares: Mapping[str, float]) -> dict[str, tuple[Trial, float]]:
    """Maps operating points to trials of the kind of doubt that ranks best on held-out texts, and to their shares.

    Prints how well each kind ranks. For errors see `check` and `Curve.choose`.
    """
    tagged = pair.tag(texts)
    check(pair, tagged)
    reference = pair.agreement(tagged)
    doubts = [*map(Doubt, MEASURES), fit_disagreement(tagged)]
    curves = {doubt.kind: Curve.of(pair.cascade(doubt), tagged, reference, pair) for doubt in doubts}
    print(*doubt_table(curves), sep="\n")
    return max(curves.values(), key=lambda one: one.f1_at(SHARES).mean()).choose(shares)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.training.cascade", description=__doc__)
    add = parser.add_argument
    add("large", metavar="LARGE", help="folder or hub id of a token-classification checkpoint")
    small = parser.add_mutually_exclusive_group(required=True)
    small.add_argument("--small", help="folder or hub id of a small model with the same labels")
    small.add_argument("--student", help="folder or hub id of an encoder, or a model folder with gates, to make one of")
    add(
        "--texts",
        nargs="+",
        required=True,
        metavar="FILE",
        help="texts in any format (.txt: one a line); with --small held-out ones",
    )
    add("--minutes", type=float, default=60.0, help="minutes to make the student in (default %(default)g)")
    add("--out", required=True, type=Path, help="new folder for the cascade")
    add("--strategy", default=DENSE, help="strategy of the large model (default %(default)s)")
    add("--small-strategy", default="entropy", help="strategy of the small model (default %(default)s)")
    add("--dtype", default="int8", choices=DTYPES, help="dtype of both; int8 adds layers in 8 bits where missing")
    add(
        "--share",
        default=SHARE,
        help="share of the held-out words that the large model reads at careful, balanced and fast (default "
        "%(default)s)",
    )
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if arguments.student else logging.WARNING, format="%(asctime)s %(message)s")
    shares = parse_shares(arguments.share)
    check_new(arguments.out)
    texts = read_texts(arguments.texts)
    small_source = arguments.small
    if arguments.student:
        command = shlex.join(["python", "-m", "engine.training.cascade", *argv])
        small_source, texts = make_student(arguments, texts, command)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=arguments.out.parent, prefix=".cascade") as work:
        folder = Path(work, "model")
        large = copy_model(arguments.large, folder, texts, arguments.dtype)
        small = copy_model(small_source, folder / SMALL, texts, arguments.dtype)
        pair = Pair(large, small, large.strategy(arguments.strategy), small.strategy(arguments.small_strategy))
        chosen = choose(pair, texts, shares)
        write_json(folder / CASCADES, {point: one.strategy.to_json() for point, (one, _) in chosen.items()})
        write_checksums(folder, [f"{SMALL}/{SUMS}"])
        folder.rename(arguments.out)
    print()
    for point, (one, share) in chosen.items():
        figures = f"{one.loss:.2f} ± {one.loss_error:.2f} pp of agreement lost, theoretical speed-up"
        print(
            f"{CASCADE}:{point}: {share:.0%} of the words to the large model, {figures} "
            f"{one.theoretical_speedup:.2f}×, {one.strategy.to_json()}"
        )
    print(f"the cascade is in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
