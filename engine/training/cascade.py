"""Makes a cascade: ``python -m engine.training.cascade LARGE --small SMALL --texts FILE… --out FOLDER``.

SMALL tags the held-out texts. Each operating point gets the threshold of doubt at which LARGE would read its share of
the words. No gold is needed, and neither model changes. Both models and the cascade are then timed on some of the
texts and, with ``--corpus``, compared by F1, to say whether the cascade is worth it. Agreement says little about F1
here, since the small model is often right.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from engine.cascade import Cascade
from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, add_texts, config_of
from engine.cli.progress import progress
from engine.cli.runs import check_new, write_json
from engine.corpora import Corpus
from engine.errors import InputError
from engine.formats import read_texts
from engine.loading import CascadeEngine
from engine.models.folder import SMALL, read_folder
from engine.models.points_file import CASCADES, INT8
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE, OPERATING_POINTS
from engine.pruning.trace import JudgedWindow
from engine.training.card import CARD, cascade_card, points_table
from engine.training.corpora import held_out_corpora
from engine.training.options import CascadeConfig
from engine.training.points import Choice, with_speedups
from engine.training.trials import MIN_WINDOWS, Reference, counts_on_gold, int8_agreement, mean_f1, measure, tag_texts

WEIGHT = 0.25  # of the small model's probabilities where both read
MAX_TIMED, MIN_CALLS = 64, 2  # texts at most on which all are timed and compared; minimum number of calls
NEVER = 1_000_000.0  # threshold that no doubt reaches
ALONE = "small"  # the name of the small model alone


def load_both(config: CascadeConfig, texts: Sequence[str], gold: Sequence[Corpus] = ()) -> CascadeEngine:
    """Loads both models, in float32 for ``auto``; raises an `InputError` unless they, strategy, texts and gold fit."""
    folder = replace(read_folder(config.large), small=read_folder(config.small))
    for corpus in gold:
        if not set(corpus.types) & set(folder.labels.types):
            types, others = (", ".join(names) for names in (folder.labels.types, corpus.types))
            raise InputError(f"The models find {types}, none of the types of {corpus.title}: {others}. Rename these.")
    engine = CascadeEngine(folder, "float32" if config.dtype == "auto" else config.dtype)
    engine.small.strategy(config.small_strategy)
    windows = sum(map(len, engine.pieces.of_texts(texts)[1]))
    if windows < MIN_WINDOWS:
        raise InputError(f"The held-out texts have {windows} windows, less than {MIN_WINDOWS}. Give more texts.")
    return engine


def doubts_of(engine: CascadeEngine, cascade: Cascade, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the doubt and the number of words of each window of the large model, ``(windows,)`` each."""
    windows = list[JudgedWindow]()
    for result in tag_texts(engine.small, texts, cascade.small, f"Tag {len(texts)} texts with the small model"):
        windows += cascade.judge(result.probabilities, engine.pieces.of_texts([result.text])[1][0])
    return np.array([w.doubt for w in windows]), np.array([w.end - w.first for w in windows])


def thresholds_of(doubts: np.ndarray, words: np.ndarray, shares: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Maps each operating point to the threshold whose share of the words is nearest to the wanted one, and that share.

    Raises an `InputError` if the large model would read everything.
    """
    order = np.argsort(-doubts, kind="stable")
    thresholds, read = doubts[order], words[order].cumsum() / words.sum()
    last = np.append(np.flatnonzero(np.diff(thresholds)), len(thresholds) - 1)  # windows of equal doubt go together
    chosen = {}
    for point, wanted in shares.items():
        nearest = last[np.abs(read[last] - wanted).argmin()]
        if read[nearest] == 1:
            problem = f"--share {wanted:g} would send every window to the large model"
            raise InputError(f"{problem}. Lower it, or give more texts.")
        chosen[point] = float(thresholds[nearest]), float(read[nearest])
    return chosen


def worth(choices: Sequence[Choice], f1: Mapping[str, float]) -> str:
    """A sentence on whether the cascade is worth it; ``f1``: on gold, by name, empty without gold."""
    speeds = {choice.name: max(choice.trial.speedups.values(), default=1.0) for choice in choices}
    best = next((name for name in OPERATING_POINTS if speeds.get(name, 0) > 1), None)
    if best is None:
        return "Not worth it: LARGE is no slower; use it alone."
    if f1 and f1[ALONE] >= f1[DENSE]:
        return "Not worth it: the F1 of SMALL on gold is no lower; use it alone."
    gain = f"{best} is {speeds[best]:.1f}× as fast as LARGE"
    if not f1:
        return f"{gain}; only gold tells whether it finds as much, and SMALL alone less: give --corpus."
    more = 100 * (f1[best] - f1[DENSE])
    return f"{gain}, and its F1 is {abs(more):.1f} points {'higher' if more >= 0 else 'lower'}."


def make_cascade(
    config: CascadeConfig, engine: CascadeEngine, texts: Sequence[str], gold: Sequence[Corpus], made_by: str
) -> tuple[str, str]:
    """Writes the folder and card of a cascade; returns the table and the verdict. ``made_by`` is the command."""
    from engine.pytorch.checkpoint import copy_checkpoint

    out, timed, stored = Path(config.out), texts[:MAX_TIMED], dict[str, Any]()
    if config.dtype == "auto":
        quantised = CascadeEngine(engine.folder, "int8")
        stored[INT8] = int8_agreement(*(Reference.of(each, timed) for each in (engine, quantised)))
        if stored[INT8].get("agrees"):
            engine = quantised
    cascade = Cascade(small=engine.small.strategy(config.small_strategy), weight=WEIGHT)
    strategies: dict[str, Strategy] = {DENSE: Strategy(), ALONE: replace(cascade, threshold=NEVER)}
    read = {DENSE: 1.0, ALONE: 0.0}  # share of the words that LARGE reads
    for point, (threshold, share) in thresholds_of(*doubts_of(engine, cascade, texts), config.shares).items():
        strategies[point], read[point] = replace(cascade, point=point, threshold=threshold), share
        stored[point] = strategies[point].to_json()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".cascade") as work:
        folder = Path(work, "model")
        (folder / SMALL).mkdir(parents=True)
        copy_checkpoint(engine.folder.path, folder)
        copy_checkpoint(engine.small.folder.path, folder / SMALL)
        write_json(folder / CASCADES, stored)
        folder.rename(out)
    reference = Reference.of(engine, timed)
    named = progress(strategies.items(), "Compare both models and the cascade")
    choices = [Choice(name, measure(engine, reference, strategy)) for name, strategy in named]
    choices = with_speedups(engine, choices, timed, MIN_CALLS)
    f1 = dict[str, float]()
    for name, strategy in strategies.items() if gold else ():
        f1[name] = mean_f1(counts_on_gold(engine, corpus, strategy) for corpus in gold)
    more = {"words read by LARGE": [f"{share:.0%}" for share in read.values()]}
    more |= {"F1 on gold": [f"{value:.4f}" for value in f1.values()]} if gold else {}
    table = points_table(choices, choices[0].trial.speedups, more)
    page = cascade_card(table, config, engine, cascade.small.title, len(timed), made_by)
    (out / CARD).write_text(page, encoding="utf-8")
    return table, worth(choices, f1)


@as_command
def main(argv: list[str]) -> int:
    parser = new_parser("engine.training.cascade", __doc__)
    add_texts(parser, "held-out texts in any format")
    add_options(parser, CascadeConfig, positional=("large",))
    arguments = parser.parse_args(argv)
    config = config_of(CascadeConfig, arguments)
    check_new(Path(config.out))
    texts = read_texts(arguments.texts, lines=arguments.lines)
    gold = [corpus.load() for corpus in held_out_corpora(config.corpus)]
    engine = load_both(config, texts, gold)
    command = shlex.join(["python", "-m", "engine.training.cascade", *argv])
    table, verdict = make_cascade(config, engine, texts, gold, command)
    print(table)
    say(f"{verdict} The cascade is in {config.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
