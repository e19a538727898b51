"""Makes a cascade: ``python -m engine.training.cascade LARGE --small SMALL --texts FILE… --out FOLDER``.

SMALL tags the held-out texts. Each operating point gets the threshold of doubt at which LARGE would read its share of
the words. No gold is needed, and neither model changes. Then both models and the cascade are timed on some of the
texts, and with ``--corpus`` compared by F1, to say whether the cascade is worth it.

Shares and not limits of agreement, because agreement does not tell F1 here: where the models differ, the small one is
often right (docs/lab/2026-11-30-cascade.md).
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from engine.base import DTYPES, Engine
from engine.cascade import Cascade
from engine.cli.command import as_command, program
from engine.cli.options import add_options, config_of
from engine.cli.progress import Progress
from engine.cli.runs import check_new, write_json
from engine.corpora import Corpus
from engine.errors import InputError
from engine.formats import read_texts
from engine.loading import CascadeEngine
from engine.machine import processor, threads
from engine.models.folder import CASCADES, INT8, SMALL, read_folder
from engine.pruning.strategy import Strategy
from engine.pruning.trace import JudgedWindow
from engine.settings import check_settings, setting
from engine.text.scoring import Counts
from engine.training.card import CARD, cascade_card, markdown
from engine.training.lessons import held_out
from engine.training.options import by_point
from engine.training.points import speedups
from engine.training.trials import MIN_WINDOWS, Reference, counts_on_gold, int8_agreement, measure, tag_texts

WEIGHT = 0.25  # of the small model's probabilities where both read
MAX_TIMED, MIN_CALLS = 64, 2  # texts at most on which all are timed and compared; minimum number of calls
Tagger = tuple[str, Engine, Strategy, float]  # its name, how it runs, and the share of the words that LARGE reads


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """Settings of ``cascade``."""

    large: str = setting(MISSING, "folder or hub id of a token-classification checkpoint")
    small: str = setting(MISSING, "folder or hub id of a small model with the same labels")
    out: str = setting(MISSING, "new folder for the cascade")
    corpus: tuple[str, ...] = setting((), "gold to compare F1 on: NAME:SPLIT or a file", separator=" ")
    small_strategy: str = setting("entropy", "strategy of the small model")
    dtype: str = setting("auto", "dtype of both", choices=DTYPES)
    share: tuple[float, ...] = setting(
        (0.6, 0.4, 0.2), "share of the held-out words that LARGE reads at careful, balanced and fast"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        _ = self.shares  # refuses numbers that are not in order

    @property
    def shares(self) -> dict[str, float]:
        """Operating point → share of the held-out words for the large model."""
        return by_point(self.share, "--share", descending=True)


def load_both(config: CascadeConfig, texts: Sequence[str], gold: Sequence[Corpus] = ()) -> CascadeEngine:
    """Loads both models, in float32 for ``auto``; raises an `InputError` unless they, strategy, texts and gold fit."""
    folder = replace(read_folder(config.large), small=read_folder(config.small))
    for corpus in gold:
        if not set(corpus.types) & set(folder.labels.types):
            wanted = f"types that the models find, {list(folder.labels.types)}, in {corpus.title}"
            raise InputError(f"expected {wanted}, got {list(corpus.types)}; rename those of the corpus")
    engine = CascadeEngine(folder, "float32" if config.dtype == "auto" else config.dtype)
    engine.small.strategy(config.small_strategy)
    windows = sum(map(len, engine.pieces.of_texts(texts)[1]))
    if windows < MIN_WINDOWS:
        raise InputError(f"expected at least {MIN_WINDOWS} windows in the held-out texts, got {windows}; give more")
    return engine


def doubts_of(engine: CascadeEngine, cascade: Cascade, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the doubt and the number of words of each window of the large model, ``(windows,)`` each."""
    windows = list[JudgedWindow]()
    with Progress(f"Tag {len(texts)} texts with the small model", len(texts)) as progress:
        for result in tag_texts(engine.small, texts, cascade.small, progress):
            windows += cascade.judge(result.probabilities, engine.pieces.of_texts([result.text])[1][0])
    return np.array([one.doubt for one in windows]), np.array([one.end - one.first for one in windows])


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
            raise InputError(f"expected a lower --share at {point}, got {wanted:g}, all windows; give more texts")
        chosen[point] = float(thresholds[nearest]), float(read[nearest])
    return chosen


class Contender(NamedTuple):
    """A tagger in the table; ``share``: of the words, read by LARGE; speed-ups are over LARGE; ``f1`` is on gold."""

    name: str
    share: float
    agreement: float
    speedups: Mapping[int, float]
    f1: float | None = None

    @property
    def speedup(self) -> float:
        """The highest speed-up."""
        return max(self.speedups.values(), default=1.0)


def compare(taggers: Sequence[Tagger], texts: Sequence[str], gold: Sequence[Corpus]) -> list[Contender]:
    """Measures taggers on texts, of which the first is the large model that speed-ups and agreement are against."""
    reference = Reference.of(taggers[0][1], texts)
    timed = speedups([(engine, strategy) for _, engine, strategy, _ in taggers], texts, MIN_CALLS)
    tagged = len(texts) + sum(len(corpus.documents) for corpus in gold)
    contenders = []
    with Progress(f"Compare {len(taggers)} taggers on {tagged} texts", len(taggers) * tagged) as progress:
        for (name, engine, strategy, share), ratios in zip(taggers, timed, strict=True):
            agreement = measure(engine, reference, strategy, progress).f1
            counts = [counts_on_gold(engine, corpus, strategy, progress) for corpus in gold]
            f1 = fmean(Counts.total(of_types.values()).f1 for of_types in counts) if gold else None
            contenders.append(Contender(name, share, agreement, ratios, f1))
    return contenders


def contenders_table(rows: Sequence[Contender]) -> str:
    """Returns a Markdown table."""
    head = ["", "words read by LARGE", "agreement with LARGE"]
    head += [f"speed-up, {size} text{'s' * (size > 1)} a call" for size in rows[0].speedups]
    lines = [
        [
            row.name,
            f"{row.share:.0%}",
            f"{row.agreement:.1%}",
            *(f"{ratio:.2f}×" for ratio in row.speedups.values()),
            "–" if row.f1 is None else f"{row.f1:.4f}",
        ]
        for row in rows
    ]
    return markdown([*head, "F1 on gold"], lines)


def verdict(rows: Sequence[Contender]) -> tuple[str, str]:
    """Says whether the cascade is worth it, and names the tagger to use.

    The rows are those of the large model, the small one and the cascade.
    """
    large, small, *points = rows
    best = next((row for row in points if row.speedup > 1), None)
    if small.speedup <= 1:
        return "Not worth it: LARGE is no slower than SMALL; use it alone.", large.name
    if best is None:
        return "Not worth it: the cascade is no faster than LARGE; use that alone, or smaller shares.", large.name
    gain = f"{best.name} is {best.speedup:.1f}× as fast as LARGE"
    if large.f1 is None or small.f1 is None or best.f1 is None:
        return f"{gain}; only gold tells whether it finds as much, and SMALL alone less: give --corpus.", best.name
    if small.f1 >= large.f1:
        return "Not worth it: the F1 of SMALL on gold is no lower; use it alone.", small.name
    more = 100 * (best.f1 - large.f1)
    worth = "Worth it: " * (more >= 0)
    return f"{worth}{gain}, and its F1 is {abs(more):.1f} pp {'higher' if more >= 0 else 'lower'}.", best.name


def make_cascade(
    config: CascadeConfig, engine: CascadeEngine, texts: Sequence[str], gold: Sequence[Corpus], made_by: str
) -> list[Contender]:
    """Writes the folder of a cascade, compares it with both models, and writes its card; ``made_by``: the command."""
    from engine.pytorch.checkpoint import copy_checkpoint

    out, timed, stored = Path(config.out), texts[:MAX_TIMED], dict[str, Any]()
    if config.dtype == "auto":
        quantised = CascadeEngine(engine.folder, "int8")
        stored[INT8] = int8_agreement(*(Reference.of(each, timed) for each in (engine, quantised)))
        if stored[INT8].get("agrees"):
            engine = quantised
    cascade = Cascade(small=engine.small.strategy(config.small_strategy), weight=WEIGHT)
    taggers: list[Tagger] = [("LARGE", engine, Strategy(), 1.0), ("SMALL", engine.small, cascade.small, 0.0)]
    for point, (threshold, share) in thresholds_of(*doubts_of(engine, cascade, texts), config.shares).items():
        strategy = replace(cascade, point=point, threshold=threshold)
        stored[point] = strategy.to_json()
        taggers.append((strategy.title, engine, strategy, share))
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".cascade") as work:
        folder = Path(work, "model")
        (folder / SMALL).mkdir(parents=True)
        copy_checkpoint(engine.folder.path, folder)
        copy_checkpoint(engine.small.folder.path, folder / SMALL)
        write_json(folder / CASCADES, stored)
        folder.rename(out)
    contenders = compare(taggers, timed, gold)
    facts = {
        "large": config.large,
        "small": config.small,
        "folder": engine.folder.path,
        "types": engine.labels.types,
        "strategy": cascade.small.title,
        "texts": len(timed),
        "dtype": engine.dtype,
        "device": f"{processor()}, {threads()} threads",
        "made_by": made_by,
    }
    (out / CARD).write_text(cascade_card(contenders_table(contenders), facts), encoding="utf-8")
    return contenders


@as_command
def main(argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog=program("engine.training.cascade"), description=__doc__)
    add = parser.add_argument
    add("large", metavar="LARGE", help="folder or hub id of a token-classification checkpoint")
    add("--texts", nargs="+", required=True, metavar="FILE", help="held-out texts in any format (.txt: one a line)")
    add_options(parser, CascadeConfig, skip=("large",))
    arguments = parser.parse_args(argv)
    config = config_of(CascadeConfig, arguments)
    check_new(Path(config.out))
    texts, gold = read_texts(arguments.texts), [lesson.load() for lesson in held_out(config.corpus)]
    engine = load_both(config, texts, gold)
    command = shlex.join(["python", "-m", "engine.training.cascade", *(sys.argv[1:] if argv is None else argv)])
    with Progress(f"Choose thresholds on {len(texts)} texts, and time both models and the cascade") as progress:
        rows = make_cascade(config, engine, texts, gold, command)
    print(contenders_table(rows))
    sentence, best = verdict(rows)
    model = {"LARGE": config.large, "SMALL": config.small}.get(best, config.out)
    progress.finish(
        f"{sentence} The cascade is in {config.out}.", f"python -m engine.tag FILE --model {shlex.quote(model)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
