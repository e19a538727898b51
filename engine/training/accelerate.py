"""Makes a checkpoint fast: ``python -m engine.training.accelerate CHECKPOINT --texts FILE… --out FOLDER``.

CHECKPOINT is a folder or hub id of a token-classification checkpoint. Gate heads and, unless ``--frozen``, the encoder
learn its own output on plain texts, and ``--gold`` if there is some, while words exit. Operating points are chosen by
agreement with that output on held-out texts: by how much of it they lose against the new model's own dense pass. The
folder then holds a model for every strategy except ``mlp``, and a card with the measurements. In Python:
`accelerate`, also as ``engine.accelerate``.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate as running_total
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.checkpoint import POINTS, Weights, load_weights, read_points
from engine.checksums import SUMS, write_checksums
from engine.command import as_command
from engine.data.corpora import Corpus, load_corpus
from engine.data.texts import read_texts
from engine.errors import InputError
from engine.model.gated import GatedModel
from engine.model.precision import DTYPES, check_int8
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.runs import Log, check_same, continues, locked, read_json, replacing, write_json
from engine.tagger import Engine, load_engine
from engine.text.documents import Document, Entity
from engine.text.words import split_words, words_of
from engine.training.calibrate import AGREEMENT_LIMITS, limits_of, store
from engine.training.card import BUSY, STRATEGY, Facts, Row, card, copy_checkpoint, device_name, measured, table
from engine.training.data import Example, digest, gold_digest, gold_examples, named_corpora, split_texts
from engine.training.distill import distil, own_labels
from engine.training.loop import PRECISIONS, SEEDS, check_limits, check_precision
from engine.training.sweep import SAMPLE_WORDS, Sweep
from engine.training.trials import LOOKS, Reference, Trial, f1_of, measure

logger = logging.getLogger(__name__)

MINUTES = {False: 60.0, True: 15.0}  # frozen or not
STEADY = 1000  # windows from which operating points hardly depend on chance
SETTINGS = "training/accelerate.json"
CONTROL = ("calib", "test")  # splits that nothing is learned from


@dataclass(frozen=True)
class Shares:
    """Of the time: for a pass over held-out texts, for labels, for the sweep at most and at least, for timing."""

    held_out: float = 0.05
    labels: float = 0.15
    sweep: float = 0.4
    least: float = 0.1
    timing: float = 0.1


SHARES = Shares()
SWEPT = 100, 8  # dense passes that the sweep takes about as long as: over its sample, and over all held-out texts
WATCHED, WATCHED_S = 32, 10  # texts, seconds: limits of the sample whose agreement is logged while training
TIMED_PASSES = 20  # dense passes over the timed texts that timing takes about as long as


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """Settings of a run; every field is a command-line option.

    Args:
        checkpoint: folder or hub id of a token-classification checkpoint.
        out: folder for the model, new or of the same run.
        labels: file of what the checkpoint's labels mean, if it does not say.
        frozen: only gate heads learn; the checkpoint's files are copied byte for byte.
        gold: corpora to learn from besides, ``NAME:SPLIT`` joined by commas; each teaches only what it annotates.
        minutes: for everything except F1 on a corpus; by default 60, or 15 if frozen.
        max_f1_drop: pp of agreement that ``careful``, ``balanced`` and ``fast`` may lose against the dense pass.
        dtype: in which settings run; texts are labelled in the faster of float32 and ``mixed_precision``.
        corpus, split: for F1 besides the agreement; not learned from.
        data_dir: where to look for named corpora first.
        mixed_precision: of training: ``bf16``, ``no``, or ``auto``: the faster one.
        seed: of everything random.
    """

    checkpoint: str
    out: str
    labels: str = ""
    frozen: bool = False
    gold: str = ""
    minutes: float | None = None
    max_f1_drop: tuple[float, ...] = AGREEMENT_LIMITS
    dtype: str = "float32"
    corpus: str = ""
    split: str = "test"
    data_dir: str = ""
    mixed_precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0 < self.minutes <= 10_000:
            raise InputError(f"expected minutes above 0 and up to 10000, got {self.minutes:g}; change it")
        check_limits("seed", self.seed, SEEDS)
        limits_of(",".join(map(str, self.max_f1_drop)), "max_f1_drop")
        if self.dtype not in DTYPES:
            raise InputError(f"expected a dtype out of {', '.join(DTYPES)}, got {self.dtype!r}; choose one of them")
        check_precision(self.mixed_precision)
        if self.frozen and self.gold:
            raise InputError("expected no gold for a frozen checkpoint, got some; leave --gold or --frozen out")

    @property
    def seconds(self) -> float:
        """The time for everything."""
        return 60 * (self.minutes or MINUTES[self.frozen])


def accelerate(
    checkpoint: str | Path | tuple[PreTrainedModel, PreTrainedTokenizerBase],
    texts: Iterable[str],
    out: str | Path,
    *,
    held_out: Iterable[str] = (),
    resume: bool = False,
    **settings: Any,
) -> Path:
    """Makes a checkpoint fast: learns from its own output on texts, and writes a model folder with operating points.

    Args:
        checkpoint: folder or hub id of a token-classification checkpoint, or a model and its tokenizer.
        texts: to learn from; 400 abstracts are enough.
        out: folder for the model, new or of the same run.
        held_out: texts to choose operating points on; without any, some of ``texts``.
        resume: continue the run in ``out``, or choose other operating points once it has ended.
        **settings: see `AccelerateConfig`, e.g. ``minutes``.

    Returns:
        The folder, for `load_engine`; its README.md has the measurements.

    Raises:
        InputError: unusable checkpoint, texts or settings, or an ``out`` with something else in it.
    """
    name = str(checkpoint) if isinstance(checkpoint, str | Path) else checkpoint[0].name_or_path or "a model in memory"
    config = AccelerateConfig(checkpoint=name, out=str(out), **settings)
    shown = "".join(f", {key}={value!r}" for key, value in settings.items())
    made_by = f"engine.accelerate({name!r}, texts, {str(out)!r}{shown})"
    given = None if isinstance(checkpoint, str | Path) else checkpoint
    _run(config, list(texts), list(held_out), made_by, resume=resume, given=given)
    return Path(out)


def _run(
    config: AccelerateConfig,
    texts: Sequence[str],
    held_out: Sequence[str],
    made_by: str,
    *,
    resume: bool = False,
    given: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None,
) -> list[Row]:
    """Makes a model folder and returns what was measured: dense, and each operating point."""
    started = time.monotonic()
    out, work = Path(config.out), Path(config.out, "training")
    settings = {**asdict(config), "minutes": config.seconds / 60}
    resumed = continues(out, SETTINGS, settings, resume=resume, free=("out", "data_dir", "max_f1_drop"))
    set_seed(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if config.dtype == "int8":
        check_int8(torch.device(device))
    corpus = load_corpus(config.corpus, config.split, config.data_dir or None) if config.corpus else None
    with locked(work):
        if not (out / SUMS).is_file():
            _learn(config, settings, texts, held_out, work, started, device, corpus, given)
        write_json(out / SETTINGS, settings)
        facts, reference = Facts(**read_json(work / "facts.json")), _read_reference(work / "held_out.json")
        _repair(out)
        engine = load_engine(out, facts.dtype or config.dtype, device=device)  # what ``auto`` came to stays
        dense, dense_s = _dense(engine, reference, work / "dense.json")
        left = config.seconds * (1 - SHARES.timing) - (time.monotonic() - started)
        left = max(left, SHARES.least * config.seconds)
        logger.info("choosing operating points in %s at most", tqdm.format_interval(left))
        log = Log(work / "sweep.jsonl")
        sweep = Sweep(engine, replace(reference, dense=dense.counts), config.max_f1_drop, seed=config.seed, log=log)
        sweep.run(STRATEGY, seconds=left)
        words = sum(len(split_words(document.text)) for document in reference.documents)
        timed = SHARES.timing * config.seconds * words / dense_s / TIMED_PASSES
        sample = [document.text for document in reference.documents]
        rows, busy = measured(engine, dense, sweep, sample[: fitting(sample, timed)], corpus, work / "measured.jsonl")
        if corpus and facts.checkpoint_f1 is None:
            own = rows[0].f1
            if not (config.frozen and engine.dtype == "float32"):
                own = f1_of(load_engine(config.checkpoint, labels=config.labels or None), corpus, Strategy("dense"))
            facts = replace(facts, corpus=f"{corpus.name} {corpus.split}", checkpoint_f1=own)
        facts = replace(
            facts,
            device=device_name(engine.device),
            dtype=engine.dtype,
            minutes=facts.minutes if resumed and facts.minutes else (time.monotonic() - started) / 60,
            resumed=resumed,
            busy=busy,
            cut=sweep.cut,
        )
        write_json(work / "facts.json", asdict(facts))
        store(out, sweep, [STRATEGY])
        with replacing(out / "README.md") as page:
            page.write_text(card(rows, facts, made_by), encoding="utf-8")
        shutil.rmtree(work / "run" / "checkpoint", ignore_errors=True)
    _warn(facts, rows, sweep.missed(STRATEGY))
    return rows


def _learn(
    config: AccelerateConfig,
    settings: dict[str, Any],
    texts: Sequence[str],
    held_out: Sequence[str],
    work: Path,
    started: float,
    device: str,
    corpus: Corpus | None,
    given: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None,
) -> None:
    """Trains, and puts the model into the folder; the checksums come last, so they mark it as complete."""
    source = config.checkpoint
    if given is not None:
        source = str(work / "given")
        for part in given:
            part.save_pretrained(source)
    weights = load_weights(source, config.labels or None)
    if weights.model.encoder.num_layers < 2:
        raise InputError(f"expected an encoder of two layers or more, got one in {config.checkpoint!r}; choose another")
    engine = Engine(weights, device=device)
    if corpus and not set(corpus.types) & set(engine.labels.types):
        raise InputError(
            f"expected entities of {', '.join(engine.labels.types)} in {corpus.name} {corpus.split}, got "
            f"{', '.join(corpus.types) or 'none'}; choose another --corpus"
        )
    split = split_texts(texts, held_out, engine.pieces, config.seed)
    gold, digests = _gold(config, engine, split.held_out)
    begun = {
        "checkpoint": engine.fingerprint,
        "texts to learn from": digest(split.learned),
        "texts held out": digest(split.held_out),
        "gold": digests,
    }
    if (work / "begun.json").is_file():
        check_same(work.parent, read_json(work / "begun.json"), begun)
    if not (work / "held_out.json").is_file():
        seconds = time.monotonic()
        until = seconds + SHARES.held_out * config.seconds
        found = Reference.agreement(
            engine, split.held_out, lambda done: done >= split.needed and time.monotonic() > until
        )
        write_json(work / "begun.json", begun)
        write_json(work.parent / SETTINGS, settings)
        _write_reference(work / "held_out.json", found, time.monotonic() - seconds)
    reference = _read_reference(work / "held_out.json")
    used = [document.text for document in reference.documents]
    words = sum(len(split_words(text)) for text in used)
    words_s = words / read_json(work / "held_out.json")["seconds"]
    logger.info(
        "%d texts to learn from, %d of %d held out are used (%d windows); the dense pass takes %.0f words a second",
        len(split.learned),
        len(used),
        len(split.held_out),
        sum(split.windows[: len(used)]),
        words_s,
    )
    precisions = PRECISIONS if config.mixed_precision == "auto" else (config.mixed_precision,)
    labels_file = work / "labels.npz"
    labeller, faster, count = engine, 1.0, 0
    if not (work / "schedule.json").is_file():
        labeller, faster = _fastest(engine, weights, precisions, used[:LOOKS])
        count = fitting(split.learned, SHARES.labels * config.seconds * words_s * faster)
    over = time.monotonic() + SHARES.labels * config.seconds
    own, labels = own_labels(weights, labeller, split.learned, count, labels_file, lambda: time.monotonic() > over)
    if len(labels.counts) < len(split.learned):
        logger.info("time allows for %d of %d texts to learn from", len(labels.counts), len(split.learned))
    (work / "run").mkdir(exist_ok=True)
    if config.frozen:
        copy_checkpoint(weights, work / "run", rename=bool(config.labels))
    sweep_s = (SWEPT[0] * min(words, SAMPLE_WORDS) + SWEPT[1] * words) / words_s
    later = min(sweep_s, SHARES.sweep * config.seconds) + SHARES.timing * config.seconds
    if config.frozen:
        later = max(later, 0.5 * config.seconds)
    sample = reference.first(min(WATCHED, fitting(used, WATCHED_S * words_s)))
    learned, passes = distil(
        weights,
        own,
        labels,
        gold,
        _watch(weights, sample, device),
        work,
        engine=engine,
        frozen=config.frozen,
        precisions=precisions,
        deadline=started + config.seconds - later,
        seed=config.seed,
    )
    facts = Facts(
        checkpoint=config.checkpoint,
        types=engine.labels.types,
        layers=engine.encoder.num_layers,
        frozen=config.frozen,
        gold=config.gold,
        texts=learned,
        passes=passes,
        held_out=len(used),
        spare=len(split.held_out) - len(used),
        windows=sum(split.windows[: len(used)]),
        entities=sum(of.gold for of in reference.dense),
    )
    write_json(work / "facts.json", asdict(facts))
    for file in (work / "run").iterdir():
        if file.is_file() and file.name not in ("log.jsonl", SUMS):
            shutil.copyfile(file, work.parent / file.name)
    write_checksums(work.parent)
    shutil.rmtree(work / "given", ignore_errors=True)


def _repair(out: Path) -> None:
    """Makes a finished model loadable if a kill, or an earlier version, left torn operating points."""
    try:
        read_points(out / POINTS) if (out / POINTS).is_file() else None
    except InputError:
        (out / POINTS).unlink()
        write_checksums(out)


def _gold(config: AccelerateConfig, engine: Engine, held_out: Sequence[str]) -> tuple[list[Example], list[str]]:
    """Windows of gold and a digest of each corpus.

    Raises:
        InputError: a corpus without types that the checkpoint knows, or with documents that are not learned from:
            those of its control splits, held-out texts, or those of ``corpus``.
    """
    corpora = named_corpora(config.gold, "fit", config.data_dir) if config.gold else []
    apart = {tuple(words_of(text)): "the texts held out" for text in held_out}
    controls = [(config.corpus, config.split)] if config.corpus else []
    controls += [(corpus.name, split) for corpus in corpora for split in CONTROL if not Path(corpus.name).exists()]
    for name, split in controls:
        try:
            control = load_corpus(name, split, config.data_dir or None)
        except InputError:  # there is no such split
            continue
        apart |= {tuple(words_of(document.text)): f"{name} {split}" for document in control.documents}
    for corpus in corpora:
        if not set(corpus.types) & set(engine.labels.types):
            raise InputError(
                f"expected gold for {', '.join(engine.labels.types)} in {corpus.name} {corpus.split}, got "
                f"{', '.join(corpus.types) or 'none'}; choose another --gold"
            )
        shared = {apart[words] for one in corpus.documents if (words := tuple(words_of(one.text))) in apart}
        if shared or corpus.split in CONTROL:
            what = " and ".join(sorted(shared)) or f"the control split {corpus.split}"
            raise InputError(
                f"expected gold that is for learning, got {corpus.name} {corpus.split} with documents of {what}; "
                "choose another split"
            )
    examples = [one for corpus in corpora for one in gold_examples(corpus, engine.pieces, engine.labels)]
    return examples, [gold_digest(corpus) for corpus in corpora]


def _write_reference(path: Path, reference: Reference, seconds: float) -> None:
    documents = [
        {"text": one.text, "entities": [[entity.start, entity.end, entity.type] for entity in one.entities]}
        for one in reference.documents
    ]
    write_json(path, {"types": reference.types, "seconds": seconds, "documents": documents})


def _read_reference(path: Path) -> Reference:
    stored = read_json(path)
    documents = [
        Document(
            str(number),
            one["text"],
            tuple(Entity(start, end, type_, one["text"][start:end]) for start, end, type_ in one["entities"]),
        )
        for number, one in enumerate(stored["documents"], start=1)
    ]
    return Reference.of_found(documents, tuple(stored["types"]))


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
    totals = running_total(len(split_words(text)) for text in texts)
    return max(1, sum(total <= words for total in totals))


def _watch(weights: Weights, sample: Reference, device: str) -> Callable[[GatedModel], float]:
    """Makes a function that gives the agreement, 0–1, of a model in training on a sample, with default settings."""

    def watch(model: GatedModel) -> float:
        engine = Engine(replace(weights, model=model, points={}), device=device)
        return measure(engine, sample, [engine.strategy(STRATEGY)])[0].f1

    return watch


def _dense(engine: Engine, reference: Reference, file: Path) -> tuple[Trial, float]:
    """The model's own dense pass on the reference, and its seconds; measured once in a run."""
    if not file.is_file():
        begin = time.monotonic()
        (one,) = measure(engine, reference, [Strategy("dense")], progress="dense pass")
        write_json(file, one.to_json() | {"seconds": time.monotonic() - begin})
    stored = read_json(file)
    return Trial.from_json(stored), stored["seconds"]


def _warn(facts: Facts, rows: Sequence[Row], missed: str) -> None:
    """Says what time was missing for, and what makes the figures less reliable than they look."""
    if facts.busy > BUSY:
        logger.warning("other processes used %.0f %% of the processors before timing", 100 * facts.busy)
    if missed:
        without = [point for point in OPERATING_POINTS if point not in {row.name for row in rows if row.reached}]
        logger.warning(
            "%s%s; go on with --resume, or start again with more --minutes",
            missed,
            f", without an operating point {' or '.join(without)}" if without else "",
        )
    if facts.passes < 1:
        logger.warning(
            "training had time for %.2g passes over the %d texts that were labelled; start again with more --minutes",
            facts.passes,
            facts.texts,
        )
    if facts.windows < STEADY:
        logger.warning(
            "only %d windows were held out: the agreement has a standard error of up to %.2f pp, and the operating "
            "points depend on chance; %d windows or more are steady: %s",
            facts.windows,
            max(row.error for row in rows),
            STEADY,
            "give more --minutes" if facts.spare else "hold more texts out",
        )


def command(arguments: argparse.Namespace) -> str:
    """The command line with these arguments, without those that have their default."""
    parts = [arguments.checkpoint]
    for name, value in vars(arguments).items():
        if name in ("checkpoint", "resume") or value == _parser().get_default(name):
            continue
        parts.append(f"--{name.replace('_', '-')}")
        parts += [] if value is True else map(str, value) if isinstance(value, list) else [str(value)]
    return "python -m engine.training.accelerate " + shlex.join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.training.accelerate", description=__doc__)
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="folder or hub id of a token-classification checkpoint")
    add("--texts", nargs="+", required=True, metavar="FILE", help="to learn from, in any format; .txt: one a line")
    add("--out", required=True, metavar="FOLDER", help="for the model")
    add("--held-out", nargs="+", metavar="FILE", help="texts to choose operating points on (default: some of --texts)")
    add("--gold", default="", metavar="CORPUS:SPLIT", help="learn from gold, too; several joined by commas")
    add("--labels", default="", metavar="FILE", help="what the checkpoint's labels mean")
    add("--frozen", action="store_true", help="fit gate heads alone; the checkpoint stays as it is")
    add("--minutes", type=float, help="for all but F1 (default 60, with --frozen 15)")
    add(
        "--max-f1-drop",
        default=",".join(map(str, AGREEMENT_LIMITS)),
        help="pp of agreement that careful, balanced and fast may lose against the dense pass (default %(default)s)",
    )
    add("--dtype", default="float32", choices=DTYPES, help="in which settings run (default float32)")
    add("--corpus", default="", help="gold for F1 beside the agreement; it is not learned from")
    add("--split", default="test", help="of the corpus (default test)")
    add("--data-dir", default="", help="where to look for named corpora first")
    add("--mixed-precision", default="auto", help="of training: auto (what is faster), bf16 or no")
    add("--seed", type=int, default=0)
    add("--resume", action="store_true", help="go on with the run in --out, or choose other operating points")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)  # it logs every file of a checkpoint
    given = dict(vars(arguments))
    texts, held_out, resume = (given.pop(name) for name in ("texts", "held_out", "resume"))
    limits = limits_of(given.pop("max_f1_drop"), "--max-f1-drop")
    config = AccelerateConfig(**given, max_f1_drop=limits)
    finished = Path(config.out, SUMS).is_file()  # its texts are not needed again
    read = [[] if finished or not files else read_texts(files) for files in (texts, held_out)]
    rows = _run(config, read[0], read[1], command(arguments), resume=resume)
    print(table(rows), end="")
    print(f"the model, and its card README.md, are in {config.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
