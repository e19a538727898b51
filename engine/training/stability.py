"""How much operating points depend on what they are chosen on: ``python -m engine.training.stability``.

Points are searched twice: by agreement with the dense pass on texts, and by F1 on a corpus with gold. The choice is
then repeated on bootstrap samples of the documents of each (Efron & Tibshirani 1993), among the settings that ran on
all of them, which takes no further passes. Every chosen setting runs once on another split, to measure its loss there.
All measurements are kept in ``--out``, and an interrupted run continues.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engine.command import as_command
from engine.data.corpora import load_corpus
from engine.data.texts import read_texts
from engine.errors import InputError
from engine.model.precision import DTYPES
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Strategy
from engine.runs import locked
from engine.tagger import Engine, load_engine
from engine.training.calibrate import GOLD_DROPS, candidates, check_ascending, numbers, variations
from engine.training.data import gold_digest
from engine.training.points import SLACK, Reference, Tried, choose
from engine.training.search import Search, plain
from engine.training.state import SEEDS, check_free, check_limits, claim, write_json
from engine.training.texts import digest

Choice = dict[str, Tried]  # by point


@dataclass(frozen=True)
class Row:
    """A point, chosen on one of the references.

    ``chosen_on``: which one.
    ``speedup``: theoretical; of the choice on all documents, NaN if none reaches the limit.
    ``speedups``, ``losses``: 5 and 95 % quantiles over bootstrap samples, of the theoretical speed-up and of the points
    of F1 lost on the other split.
    ``loss``: points of F1 lost there by the choice on all documents.
    ``settings``: how many different ones were chosen.
    ``reached``: share of the samples in which any was.
    """

    chosen_on: str
    point: str
    speedup: float
    loss: float
    speedups: tuple[float, float]
    losses: tuple[float, float]
    settings: int
    reached: float


def resampled(search: Search, samples: int, seed: int) -> Iterator[Choice]:
    """The points that would be chosen on bootstrap samples of a search's documents."""
    reference, tried = search.reference, search.measured()
    rng = np.random.default_rng(seed)
    for _ in range(samples):
        drawn = rng.integers(len(reference.documents), size=len(reference.documents)).tolist()
        own = replace(
            reference,
            documents=[reference.documents[index] for index in drawn],
            dense=tuple(reference.dense[index] for index in drawn),
        )
        settings = [replace(one, counts=tuple(one.counts[index] for index in drawn)) for one in tried]
        yield choose(settings, own, search.max_drops, SLACK)


def rows(name: str, chosen: Choice, samples: Sequence[Choice], losses: Mapping[Strategy, float]) -> Iterator[Row]:
    """The rows of one reference.

    Args:
        name: of the reference.
        chosen: on all of its documents.
        samples: on its bootstrap samples.
        losses: on the other split, of every chosen setting, without a point's name.
    """
    for point in OPERATING_POINTS:
        of_samples = [sample[point] for sample in samples if point in sample]
        one = chosen.get(point)
        yield Row(
            name,
            point,
            one.theoretical_speedup if one else np.nan,
            losses[plain(one.strategy)] if one else np.nan,
            _range([each.theoretical_speedup for each in of_samples]),
            _range([losses[plain(each.strategy)] for each in of_samples]),
            len({plain(each.strategy) for each in of_samples}),
            len(of_samples) / len(samples),
        )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.05, 0.95)) if values else (np.nan, np.nan)
    return float(low), float(high)


def compare(
    engine: Engine,
    references: Mapping[str, tuple[Reference, Sequence[float]]],
    test: Reference,
    out: Path,
    *,
    samples: int,
    seed: int,
) -> list[Row]:
    """Chooses points of ``entropy`` on each reference, and on bootstrap samples of it.

    Args:
        engine: with gates.
        references: by name, with what each point may lose.
        test: with gold; no point is chosen on it.
        out: folder for measurements.
        samples: how many.
        seed: of the order of documents and of the samples.
    """
    chosen: dict[str, Choice] = {}
    drawn: dict[str, list[Choice]] = {}
    for name, (reference, drops) in references.items():
        search = Search(engine, reference, drops, seed=seed, log=out / f"{name}.jsonl")
        search.run(candidates("entropy", engine.encoder.num_layers), variations, name)
        chosen[name] = search.chosen()
        drawn[name] = list(tqdm(resampled(search, samples, seed), desc=f"{name}, samples", total=samples, disable=None))
    choices = [choice for name in references for choice in (chosen[name], *drawn[name])]
    settings = dict.fromkeys(plain(one.strategy) for choice in choices for one in choice.values())
    tests = Search(engine, test, GOLD_DROPS, seed=seed, log=out / "test.jsonl")
    losses = {one: tests.on_all(one).loss(tests.reference) for one in tqdm(settings, desc="test", disable=None)}
    return [row for name in references for row in rows(name, chosen[name], drawn[name], losses)]


def table(found: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [
        "| chosen on | point | theoretical speed-up | F1 lost on the other split, points | settings | reached |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        speed, loss = _cell(row.speedup, row.speedups, "×"), _cell(row.loss, row.losses)
        lines.append(f"| {row.chosen_on} | `{row.point}` | {speed} | {loss} | {row.settings} | {row.reached:.0%} |")
    return "\n".join(lines) + "\n"


def _cell(value: float, bounds: tuple[float, float], unit: str = "") -> str:
    text = f"{value:.2f}{unit} [{bounds[0]:.2f}, {bounds[1]:.2f}]"
    return text.replace(f"nan{unit}", "–").replace("nan", "–")


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.stability", description=__doc__)
    parser.add_argument("--model", required=True, help="model folder with gates")
    parser.add_argument("--texts", nargs="+", required=True, metavar="FILE", help="texts without gold")
    parser.add_argument("--agreement", default="97,96,92", help="that each point must reach, %% (default %(default)s)")
    parser.add_argument("--corpus", default="bc5cdr", help="with gold, in splits (default %(default)s)")
    parser.add_argument("--split", default="calib", help="to choose points on (default %(default)s)")
    parser.add_argument("--max-f1-drop", default=",".join(map(str, GOLD_DROPS)), help="of each point (%(default)s)")
    parser.add_argument("--test-split", default="test", help="on which the choices are compared (default %(default)s)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--samples", type=int, default=200, help="bootstrap samples (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", default="float32", choices=DTYPES)
    parser.add_argument("--out", type=Path, required=True, help="folder for what is measured, and to go on in")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if arguments.samples < 1:
        raise InputError(f"expected --samples 1 or more, got {arguments.samples}; change it")
    check_limits("seed", arguments.seed, SEEDS)
    losses = [100 - limit for limit in numbers(arguments.agreement, "--agreement", "97,96,92")]
    drops = numbers(arguments.max_f1_drop, "--max-f1-drop", "0.1,0.3,1.0")
    for limits in (losses, drops):
        check_ascending(limits)
    check_free(arguments.out, arguments.out / "stability.json")
    engine = load_engine(arguments.model, arguments.dtype)
    engine.strategy("entropy")  # a model without gates is refused here
    texts = read_texts(arguments.texts)
    settings = {name: value for name, value in vars(arguments).items() if name not in ("out", "data_dir", "samples")}
    corpora = [load_corpus(arguments.corpus, of, arguments.data_dir) for of in (arguments.split, arguments.test_split)]
    gold_digests = [gold_digest(corpus) for corpus in corpora]
    if len(set(gold_digests)) == 1:
        raise InputError(
            f"expected other documents in --test-split than in --split, got {corpora[1].name} {corpora[1].split} for "
            "both; choose another --test-split, or a --corpus with splits (a file has none)"
        )
    settings |= {"dtype": engine.dtype}  # what ``auto`` resolved to
    settings |= {"weights": engine.digest, "sha256": digest(texts), "gold": gold_digests}
    gold, test = (Reference.gold(engine, corpus) for corpus in corpora)
    references: dict[str, tuple[Reference, Sequence[float]]] = {
        "agreement": (Reference.agreement(engine, texts), losses),
        "gold": (gold, drops),
    }
    with locked(arguments.out):
        claim(arguments.out / "stability.json", settings, resume=True)
        write_json(arguments.out / "stability.json", settings)
        found = compare(engine, references, test, arguments.out, samples=arguments.samples, seed=arguments.seed)
        (arguments.out / "stability.md").write_text(table(found), encoding="utf-8")
    print(table(found), end="")
    print(f"in brackets: 5 and 95 % quantiles over {arguments.samples} bootstrap samples of documents")
    return 0


if __name__ == "__main__":
    sys.exit(main())
