"""Makes a cascade: ``python -m engine.training.cascade LARGE --small SMALL --texts FILE… --out FOLDER``.

SMALL tags the held-out texts. Each operating point gets the threshold of doubt at which LARGE would read its share of
the words. No gold is needed, and neither model changes. Then both models and the cascade are timed on some of the
texts, and with ``--corpus`` compared by F1, to say whether the cascade is worth it.

Shares and not limits of agreement, because agreement does not tell F1 here: where the models differ, the small one is
often right (docs/lab/2026-11-30-cascade.md).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np

from engine.cascade import Cascade, columns_of
from engine.cli.command import as_command
from engine.cli.progress import Progress
from engine.cli.runs import check_new, write_json
from engine.errors import InputError
from engine.formats.corpora import Corpus
from engine.formats.texts import read_texts
from engine.models.folder import CASCADES, GATES, INT8, NETWORKS, POINTS, SMALL, optional_file
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, OPERATING_POINTS
from engine.pruning.trace import JudgedWindow
from engine.tagger import DTYPES, Engine, load_engine
from engine.training.agreement import Reference, int8_agreement, measure, speedups
from engine.training.finetune import f1_of, named_corpora
from engine.training.options import check_label_head
from engine.training.texts import MIN_WINDOWS

SHARE = "0.6,0.4,0.2"  # of the held-out words for the large model, at careful, balanced and fast
WEIGHT = 0.25  # of the small model's probabilities where both read
CALL = 16  # texts that are tagged together
TIMED = 64  # texts at most on which both models and the cascade are timed and compared
BATCH_SIZES, BATCHES = (1, 32), 2  # texts a call; minimum number of calls


def parse_shares(given: str) -> dict[str, float]:
    """Maps operating points to the share of the words that the large model reads; in text they are joined by commas."""
    try:
        shares = [float(part) for part in given.split(",")]
    except ValueError:
        shares = []
    count = len(OPERATING_POINTS)
    if len(shares) != count or shares != sorted(set(shares), reverse=True) or not 0 < shares[-1] < shares[0] < 1:
        raise InputError(
            f"expected {count} descending numbers between 0 and 1 for --share, got {given!r}; write e.g. {SHARE}"
        )
    return dict(zip(OPERATING_POINTS, shares, strict=True))


def doubts_of(large: Engine, small: Engine, strategy: Strategy, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the doubt and the number of words of each window of the large model, ``(windows,)`` each."""
    judge, windows = cascade_of(strategy).judge, list[JudgedWindow]()
    with Progress(f"Tag {len(texts)} texts with the small model", len(texts)) as progress:
        for begin in range(0, len(texts), CALL):
            results = small.tag_batch(texts[begin : begin + CALL], strategy)
            cut = large.pieces.of_texts([result.text for result in results])[1]
            for result, of_text in zip(results, cut, strict=True):
                windows += judge(result.probabilities, of_text)
            progress.advance(len(results))
    return np.array([one.doubt for one in windows]), np.array([one.end - one.first for one in windows])


def cascade_of(strategy: Strategy, threshold: float = 0.0, point: str = "") -> Cascade:
    """The cascade in which the large model reads windows of this doubt or more."""
    return Cascade(name=CASCADE, point=point, small=strategy, threshold=threshold, weight=WEIGHT)


def thresholds_of(doubts: np.ndarray, words: np.ndarray, shares: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Maps each operating point to the threshold whose share of the words is nearest to its own, and to that share.

    Raises:
        InputError: if the large model would then read everything.
    """
    order = np.argsort(-doubts, kind="stable")
    thresholds, read = doubts[order], words[order].cumsum() / words.sum()
    last = np.append(np.flatnonzero(np.diff(thresholds)), len(thresholds) - 1)  # windows of equal doubt go together
    chosen = {}
    for point, wanted in shares.items():
        nearest = last[np.abs(read[last] - wanted).argmin()]
        if read[nearest] == 1:
            raise InputError(
                f"expected --share of {point} at which some windows stay with the small model, got {wanted:g}; give "
                "another, or more texts"
            )
        chosen[point] = float(thresholds[nearest]), float(read[nearest])
    return chosen


def copy_model(source: str, folder: Path) -> None:
    """Copies what a model is loaded from, byte for byte."""
    from engine.pytorch.checkpoint import copy_checkpoint, load_weights

    weights = load_weights(source)
    folder.mkdir()
    copy_checkpoint(weights, folder)
    for name in (GATES, *NETWORKS.values(), POINTS):
        if file := optional_file(weights.folder.path, name):
            shutil.copyfile(file, folder / name)


@dataclass(frozen=True)
class Row:
    """A tagger in the table; speed-ups are over the large model, and ``f1`` is on gold, if there is any."""

    name: str
    share: float
    agreement: float
    speedups: Mapping[int, float]
    f1: float | None = None


def compare(
    engines: Mapping[str, tuple[Engine, Strategy]],
    texts: Sequence[str],
    shares: Mapping[str, float],
    gold: Sequence[Corpus],
) -> list[Row]:
    """Measures taggers on texts, of which the first is the large model that speed-ups and agreement are against."""
    (large, _), *_ = engines.values()
    reference = Reference.of(large, texts)
    taggers = [partial(engine.tag_batch, strategy=strategy) for engine, strategy in engines.values()]
    timed = {size: speedups(taggers, texts, size) for size in BATCH_SIZES if len(texts) >= BATCHES * size}
    rows = []
    for index, (name, (engine, strategy)) in enumerate(engines.items()):
        agreement = measure(engine, reference, strategy).f1
        f1 = fmean(f1_of(engine, corpus, strategy) for corpus in gold) if gold else None
        ratios = {size: measured[index] for size, measured in timed.items()}
        rows.append(Row(name, shares.get(name, 0.0), agreement, ratios, f1))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Returns a Markdown table."""
    sizes = list(rows[0].speedups)
    head = ["", "words read by LARGE", "agreement with LARGE"]
    head += [f"speed-up, {size} text{'s' * (size > 1)} a call" for size in sizes] + ["F1 on gold"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row.name, f"{row.share:.0%}", f"{row.agreement:.1%}"]
        cells += [f"{row.speedups[size]:.2f}×" for size in sizes]
        lines.append([*cells, "–" if row.f1 is None else f"{row.f1:.4f}"])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def verdict(rows: Sequence[Row]) -> str:
    """Says whether the cascade is worth it; the rows are those of the large model, the small one and the cascade."""
    large, small, *points = rows
    if max(small.speedups.values()) <= 1:
        return "Not worth it: LARGE is no slower than SMALL."
    if large.f1 is not None and small.f1 is not None and small.f1 >= large.f1:
        return "Not worth it: the small model is the better one, by F1 on gold; use it alone."
    best = next((row for row in points if max(row.speedups.values()) > 1), None)
    if best is None:
        return "Not worth it: the cascade is no faster than LARGE; give smaller shares."
    gain = f"{best.name} is {max(best.speedups.values()):.1f}× as fast as LARGE"
    if best.f1 is None or large.f1 is None:
        return f"{gain}; only gold tells whether it finds as much, and SMALL alone less: give --corpus."
    more = 100 * (best.f1 - large.f1)
    return (
        f"Worth it: {gain}, and its F1 is {more:.1f} pp higher."
        if more >= 0
        else f"{gain}, its F1 {-more:.1f} pp lower."
    )


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.cascade", description=__doc__)
    add = parser.add_argument
    add("large", metavar="LARGE", help="folder or hub id of a token-classification checkpoint")
    add("--small", required=True, help="folder or hub id of a small model with the same labels")
    add("--texts", nargs="+", required=True, metavar="FILE", help="held-out texts in any format (.txt: one a line)")
    add("--out", required=True, type=Path, help="new folder for the cascade")
    add("--corpus", default="", help="gold to compare F1 on: NAME:SPLIT or a file, several joined by commas")
    add("--small-strategy", default="entropy", help="strategy of the small model (default %(default)s)")
    add("--dtype", default="auto", choices=DTYPES, help="dtype of both (default %(default)s)")
    add(
        "--share",
        default=SHARE,
        help="share of the held-out words that the large model reads at careful, balanced and fast "
        "(default %(default)s)",
    )
    arguments = parser.parse_args(argv)
    shares = parse_shares(arguments.share)
    check_new(arguments.out)
    for source in (arguments.large, arguments.small):
        check_label_head(source)
    texts, gold = read_texts(arguments.texts), named_corpora(arguments.corpus, "") if arguments.corpus else []
    progress = Progress(f"Choose thresholds on {len(texts)} texts, and time both models and the cascade")
    dtype, int8 = arguments.dtype, {}
    if dtype == "auto":
        agreement, agrees = int8_agreement(
            load_engine(arguments.large, "float32"), load_engine(arguments.large, "int8"), texts[:TIMED]
        )
        dtype = "int8" if agrees else "float32"
        int8 = {INT8: {"agreement": round(agreement, 4), "texts": len(texts[:TIMED])}} if agrees else {}
    large, small = (load_engine(source, dtype) for source in (arguments.large, arguments.small))
    columns_of(small.labels, large.labels)
    strategy = small.strategy(arguments.small_strategy)
    small_macs, large_macs = (
        engine.tag(texts[0], of).cost.macs for engine, of in ((small, strategy), (large, Strategy(DENSE)))
    )
    if small_macs >= large_macs:
        raise InputError(
            f"expected a small model that computes less than the large one, got {small_macs:.2g} MACs in "
            f"{arguments.small!r} and {large_macs:.2g} in {arguments.large!r}: exchange them, or choose another"
        )
    doubts, words = doubts_of(large, small, strategy, texts)
    if len(doubts) < MIN_WINDOWS:
        raise InputError(f"expected at least {MIN_WINDOWS} windows in the held-out texts, got {len(doubts)}; give more")
    chosen = thresholds_of(doubts, words, shares)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=arguments.out.parent, prefix=".cascade") as work:
        folder = Path(work, "model")
        copy_model(arguments.large, folder)
        copy_model(arguments.small, folder / SMALL)
        points = {point: cascade_of(strategy, threshold, point) for point, (threshold, _) in chosen.items()}
        write_json(folder / CASCADES, int8 | {point: cascade.to_json() for point, cascade in points.items()})
        folder.rename(arguments.out)
    both = load_engine(arguments.out, dtype)
    engines: dict[str, tuple[Engine, Strategy]] = {"LARGE": (large, Strategy(DENSE)), "SMALL": (small, strategy)}
    engines |= {f"{CASCADE}:{point}": (both, both.strategy(CASCADE, point)) for point in chosen}
    read = {"LARGE": 1.0} | {f"{CASCADE}:{point}": share for point, (_, share) in chosen.items()}
    rows = compare(engines, texts[:TIMED], read, gold)
    print(table(rows))
    progress.finish(
        f"{verdict(rows)} The cascade is in {arguments.out}.", f"python -m engine.tag FILE --model {arguments.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
