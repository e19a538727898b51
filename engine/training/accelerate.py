"""Makes a checkpoint fast without gold: ``python -m engine.training.accelerate CHECKPOINT --texts FILE… --out FOLDER``.

CHECKPOINT is a folder or hub id of a token-classification checkpoint. Gate heads and, unless ``--frozen``, the encoder
learn its own output on plain texts while words leave. Operating points are chosen by agreement with that output on
held-back texts: by how much of it they lose against the new model's own dense pass. The folder then holds a model for
every strategy except ``mlp``, and a card with the measurements.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from tqdm import tqdm

from engine.checkpoint import Weights, load_weights
from engine.checksums import SUMS
from engine.command import as_command
from engine.data.corpora import load_corpus
from engine.errors import InputError
from engine.model.gated import GatedModel
from engine.model.precision import DTYPES, check_int8
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Strategy
from engine.runs import locked
from engine.tagger import Engine, load_engine
from engine.text.words import split_words
from engine.training.calibrate import AGREEMENT_DROPS, candidates, check_ascending, numbers, save, variations
from engine.training.card import STRATEGY, Facts, card, device_name, table
from engine.training.config import PRECISIONS, check_precision
from engine.training.delivery import copy_checkpoint, deliver, repair
from engine.training.distill import Plan, distil
from engine.training.held_out import STEADY, TextSplit, check_same, split_texts
from engine.training.outcome import Row, f1, measured
from engine.training.points import LOOKS, Reference, measure
from engine.training.search import Search
from engine.training.state import SEEDS, check_free, check_limits, claim, read_json, write_json
from engine.training.texts import digest

logger = logging.getLogger(__name__)

MINUTES = {False: 60.0, True: 15.0}  # frozen or not
HELD_OUT, LABELLING, TIMING = 0.05, 0.15, 0.1  # of the time: for a pass over held-back texts, for labels, for timing
TRAINING = {False: 0.65, True: 0.4}  # of the time that is left after labelling
SEARCHING = 0.1, 0.4  # of the time: at least, at most
WATCHED, WATCHED_S = 32, 10  # texts, seconds: limits of the sample whose agreement is logged while training
TIMED, TIMED_PASSES = 32, 20  # texts that are timed at the end, which takes about this many dense passes over them


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """Settings of a run; every field is a command-line option.

    Args:
        checkpoint: folder or hub id of a token-classification checkpoint.
        texts: files to learn from, in any format that `engine.data.texts.read_texts` knows.
        out: folder for the model, new or of the same run.
        held_out: files of texts to choose points on; without any, some of ``texts`` are held out.
        labels: file of what the checkpoint's labels mean, if it does not say.
        frozen: only gate heads learn; the checkpoint's files are copied byte for byte.
        minutes: for everything except F1 on a corpus; 0: 60, or 15 if frozen.
        max_f1_drop: points of agreement that ``careful``, ``balanced`` and ``fast`` may lose against the dense pass.
        dtype: that settings run in; texts are labelled in the faster of float32 and ``mixed_precision``.
        corpus, split, data_dir: of gold, for F1 besides the agreement; no gold is learned from.
        mixed_precision: of training: ``bf16``, ``no``, or ``auto``: the faster one.
        seed: of everything random.
    """

    checkpoint: str
    texts: tuple[str, ...]
    out: str
    held_out: tuple[str, ...] = ()
    labels: str = ""
    frozen: bool = False
    minutes: float = 0.0
    max_f1_drop: tuple[float, ...] = AGREEMENT_DROPS
    dtype: str = "float32"
    corpus: str = ""
    split: str = "test"
    data_dir: str = ""
    mixed_precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check_limits("minutes", self.minutes, (0, 10_000))
        check_limits("seed", self.seed, SEEDS)
        if len(self.max_f1_drop) != len(OPERATING_POINTS) or not all(0 <= drop < 100 for drop in self.max_f1_drop):
            raise InputError(
                f"expected three numbers of points to lose, 0–100, got {self.max_f1_drop}; write e.g. 0.2,0.5,1.5"
            )
        check_ascending(self.max_f1_drop)
        if self.dtype not in DTYPES:
            raise InputError(f"expected a dtype out of {', '.join(DTYPES)}, got {self.dtype!r}; choose one of them")
        check_precision(self.mixed_precision)

    @property
    def seconds(self) -> float:
        """The time for everything."""
        return 60 * (self.minutes or MINUTES[self.frozen])


def accelerate(config: AccelerateConfig, *, resume: bool = False) -> list[Row]:
    """Makes a model folder.

    Args:
        config: the settings.
        resume: continue the run in ``config.out``; once it has ended, choose points with another ``max_f1_drop``.

    Returns:
        What was measured: dense, and point by point.

    Raises:
        InputError: unusable checkpoint or texts, or an ``out`` with something else in it.
    """
    with ExitStack() as to_the_end:
        return _accelerate(config, resume, to_the_end)


def _accelerate(config: AccelerateConfig, resume: bool, to_the_end: ExitStack) -> list[Row]:
    started = time.monotonic()
    out, work = Path(config.out), Path(config.out, "training")
    settings = work / "accelerate.json"
    check_free(out, settings)
    claim(settings, asdict(config), resume=resume, free=("out", "data_dir", "max_f1_drop"))
    weights = load_weights(config.checkpoint, config.labels or None)
    corpus = None
    if config.corpus:
        corpus = load_corpus(config.corpus, config.split, config.data_dir or None)
        if not set(corpus.types) & set(weights.model.labels.types):
            raise InputError(
                f"expected entities of {', '.join(weights.model.labels.types)} in {corpus.name} {corpus.split}, "
                f"got {', '.join(corpus.types) or 'none'}; choose another --corpus"
            )
    if weights.model.encoder.num_layers < 2:
        raise InputError(f"expected an encoder of two layers or more, got one in {config.checkpoint!r}; choose another")
    set_seed(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = Engine(weights, device=device)
    kept = work / "held_out.json"  # the search log relies on the same texts, numbers and dtype at every start
    stored = read_json(kept) if kept.is_file() else {}
    dtype = stored.get("dtype", config.dtype)  # what ``auto`` resolved to
    if dtype == "int8":
        check_int8(engine.device)
    texts = split_texts(config.texts, config.held_out, engine.pieces, config.seed)
    begun: dict[str, Any] = {"weights": engine.digest, "labels": list(engine.labels.names)}
    check_same(stored, begun | {"sha256": digest(texts.held_out[: stored.get("texts")])}, out)
    reference, words_s = _reference(engine, texts, HELD_OUT * config.seconds, stored.get("texts"))
    to_the_end.enter_context(locked(work))  # not before: bad input leaves no folder
    write_json(settings, asdict(config))
    count = len(reference.documents)
    held_out, windows = texts.held_out[:count], sum(texts.windows[:count])
    begun |= {"texts": count, "sha256": digest(held_out)}
    write_json(kept, stored | begun)
    logger.info(
        "%d texts to learn from, %d of %d held out are used (%d windows); the dense pass takes %.0f words a second",
        len(texts.learned),
        len(held_out),
        len(texts.held_out),
        windows,
        words_s,
    )
    if (out / SUMS).is_file():
        repair(out)
    else:
        precisions = PRECISIONS if config.mixed_precision == "auto" else (config.mixed_precision,)
        labeller, faster = _fastest(engine, weights, precisions, held_out[:LOOKS])
        distil(
            weights,
            labeller,
            texts.learned,
            fitting(texts.learned, LABELLING * config.seconds * words_s * faster),
            _watch(weights, reference.first(min(WATCHED, fitting(held_out, WATCHED_S * words_s))), device),
            work,
            frozen=config.frozen,
            precisions=precisions,
            seconds=lambda: TRAINING[config.frozen] * (config.seconds - (time.monotonic() - started)),
            seed=config.seed,
        )
        if config.frozen:
            copy_checkpoint(weights, work / "run", rename=bool(config.labels))
        deliver(work / "run", out)
    plan = Plan.load(work / "plan.json")

    fast = load_engine(out, dtype, device=device)
    write_json(kept, begun | {"dtype": fast.dtype})
    dense = measure(fast, reference, Strategy("dense"), progress="dense pass")
    reference = replace(reference, dense=dense.counts)
    left = config.seconds * (1 - TIMING - HELD_OUT) - (time.monotonic() - started)
    seconds = min(max(left, SEARCHING[0] * config.seconds), SEARCHING[1] * config.seconds)
    logger.info("searching operating points for %s at most", tqdm.format_interval(seconds))
    search = Search(fast, reference, config.max_f1_drop, seed=config.seed, seconds=seconds, log=work / "search.jsonl")
    search.run(candidates(STRATEGY, fast.encoder.num_layers), variations, STRATEGY)
    timed = held_out[: min(TIMED, fitting(held_out, TIMING * config.seconds * words_s / TIMED_PASSES))]
    logger.info("timing the points on %d texts", len(timed))
    rows = measured(fast, dense, search, timed, corpus)
    same = config.frozen and fast.dtype == engine.dtype
    facts = Facts(
        checkpoint=config.checkpoint,
        types=fast.labels.types,
        layers=fast.encoder.num_layers,
        frozen=config.frozen,
        texts=plan.texts,
        passes=plan.passes,
        minutes=(time.monotonic() - started) / 60,
        resumed=bool(stored),
        held_out=len(held_out),
        windows=windows,
        entities=sum(of.gold for of in reference.dense),
        timed=len(timed),
        device=device_name(fast.device),
        dtype=fast.dtype,
        corpus=f"{corpus.name} {corpus.split}" if corpus else "",
        checkpoint_f1=rows[0].f1 if corpus is None or same else f1(engine, corpus, Strategy("dense")),
    )
    save(fast, out, {STRATEGY: search})
    (out / "README.md").write_text(card(rows, facts, command(config)), encoding="utf-8")
    shutil.rmtree(work / "run" / "checkpoint", ignore_errors=True)
    if windows < STEADY:
        more = "give more --minutes" if len(held_out) < len(texts.held_out) else "hold back more texts"
        logger.warning(
            "only %d windows were held out: the agreement has a standard error of up to %.2f points, "
            "and the points depend on chance; %d windows or more are steady: %s",
            windows,
            max(row.error for row in rows),
            STEADY,
            more,
        )
    return rows


def _reference(engine: Engine, texts: TextSplit, seconds: float, count: int | None) -> tuple[Reference, float]:
    """What the checkpoint finds in held-back texts, and its words per second.

    ``count``: of texts; ``None``: as many as time allows, and at least those needed.
    """
    begin = time.monotonic()

    def enough(done: int) -> bool:
        return count is None and done >= texts.needed and time.monotonic() - begin > seconds

    reference = Reference.agreement(engine, texts.held_out[:count], enough)
    words = sum(len(split_words(document.text)) for document in reference.documents)
    return reference, words / (time.monotonic() - begin)


def _fastest(engine: Engine, weights: Weights, precisions: Sequence[str], texts: Sequence[str]) -> tuple[Engine, float]:
    """The engine, or the same in bfloat16 if that is allowed and labels texts faster; and how many times faster."""
    engines = [engine]
    if "bf16" in precisions:
        engines.append(Engine(weights, "bfloat16", str(engine.device)))
    seconds = {}
    for one in engines:
        one.tag_batch(texts, "dense")  # packs the weights
        begin = time.monotonic()
        one.tag_batch(texts, "dense")
        seconds[one] = time.monotonic() - begin
    fastest = min(seconds, key=lambda one: seconds[one])
    logger.info("labelling in %s", fastest.dtype)
    return fastest, seconds[engine] / seconds[fastest]


def fitting(texts: Sequence[str], words: float) -> int:
    """How many of the first texts fit into this many words, at least one."""
    totals = accumulate(len(split_words(text)) for text in texts)
    return max(1, sum(total <= words for total in totals))


def _watch(weights: Weights, sample: Reference, device: str) -> Callable[[GatedModel], float]:
    """Makes a function that gives the agreement, 0–1, of a model in training on a sample, with default settings."""

    def watch(model: GatedModel) -> float:
        engine = Engine(replace(weights, model=model, points={}), device=device)
        return measure(engine, sample, engine.strategy(STRATEGY)).f1

    return watch


def command(config: AccelerateConfig) -> str:
    """The command line that has these settings."""
    parts = [config.checkpoint, "--texts", *config.texts, "--out", config.out]
    if config.held_out:
        parts += ["--held-out", *config.held_out]
    if config.frozen:
        parts.append("--frozen")
    if config.minutes:
        parts += ["--minutes", f"{config.minutes:g}"]
    if config.max_f1_drop != AGREEMENT_DROPS:
        parts += ["--max-f1-drop", ",".join(f"{drop:g}" for drop in config.max_f1_drop)]
    for name in ("dtype", "labels", "corpus", "split", "data_dir", "mixed_precision", "seed"):
        if (value := getattr(config, name)) != getattr(AccelerateConfig, name):
            parts += [f"--{name.replace('_', '-')}", str(value)]
    return "python -m engine.training.accelerate " + shlex.join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.training.accelerate", description=__doc__)
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="folder or hub id of a token-classification checkpoint"
    )
    parser.add_argument(
        "--texts", nargs="+", required=True, metavar="FILE", help="texts to learn from, in any format; .txt: one a line"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for the model")
    parser.add_argument(
        "--held-out",
        nargs="+",
        default=(),
        metavar="FILE",
        help="texts to choose points on (default: a part of --texts)",
    )
    parser.add_argument("--labels", default="", metavar="FILE", help="what the checkpoint's labels mean")
    parser.add_argument("--frozen", action="store_true", help="fit gate heads alone; the checkpoint stays as it is")
    parser.add_argument("--minutes", type=float, default=0.0, help="for all but F1 (default 60, with --frozen 15)")
    parser.add_argument(
        "--max-f1-drop",
        default=",".join(map(str, AGREEMENT_DROPS)),
        help="pp of agreement that careful, balanced and fast may lose against the dense pass (default %(default)s)",
    )
    parser.add_argument(
        "--dtype", default="float32", choices=DTYPES, help="that settings run in (default float32); int8 is the fastest"
    )
    parser.add_argument("--corpus", default="", help="gold for F1 beside the agreement; it is not learned from")
    parser.add_argument("--split", default="test", help="of the corpus (default test)")
    parser.add_argument("--data-dir", default="", help="where to look for named corpora first")
    parser.add_argument("--mixed-precision", default="auto", help="of training: auto (what is faster), bf16 or no")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    arguments = vars(_parser().parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)  # it logs every file of a checkpoint
    resume = arguments.pop("resume")
    drops = tuple(numbers(arguments.pop("max_f1_drop"), "--max-f1-drop", "0.2,0.5,1.5"))
    texts, held_out = (tuple(arguments.pop(name)) for name in ("texts", "held_out"))
    config = AccelerateConfig(**arguments, texts=texts, held_out=held_out, max_f1_drop=drops)
    rows = accelerate(config, resume=resume)
    print(table(rows), end="")
    print(f"the model, and its card README.md, are in {arguments['out']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
