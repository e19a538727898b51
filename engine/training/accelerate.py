"""Makes a checkpoint fast: ``python -m engine.training.accelerate CHECKPOINT --texts FILE… --out FOLDER``.

CHECKPOINT is a folder or hub id of a token-classification checkpoint. Gate heads and, unless ``--frozen``, the encoder
learn its own output on plain texts, and ``--gold`` if there is some, while words exit. Operating points are chosen by
how much agreement with that output they lose on held-out texts, compared with the new model's own dense pass. The
folder then holds a model for every strategy except ``mlp``, and a card with the measurements. The Python function is
`accelerate`, also available as ``engine.accelerate``.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from accelerate.utils import set_seed
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.checkpoint import Weights, load_weights
from engine.checksums import SUMS, write_checksums
from engine.command import as_command
from engine.data.corpora import Corpus, load_corpus
from engine.data.texts import read_texts
from engine.errors import InputError
from engine.folder import INT8
from engine.model.gated import GatedModel
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.runs import Log, check_same, continues, locked, read_json, replacing, write_json
from engine.runtime import openvino
from engine.tagger import DTYPES, Engine, load_engine
from engine.text.words import words_of
from engine.training.calibrate import AGREEMENT_LIMITS, parse_limits, store
from engine.training.card import BUSY, STRATEGY, Facts, Row, card, device_name, measure_rows, table
from engine.training.data import (
    Example,
    count_windows,
    digest,
    gold_digest,
    gold_examples,
    min_texts,
    named_corpora,
    split_texts,
)
from engine.training.distill import copy_checkpoint, distil
from engine.training.loop import add_options, check_options, option, shared_option
from engine.training.quantise import add_compiled, check_nncf
from engine.training.soft_labels import SoftLabels, ensemble, store_labels
from engine.training.sweep import SAMPLE_WORDS, Sweep
from engine.training.trials import Reference, Trial, enough_texts, f1_of, measure

logger = logging.getLogger(__name__)

MINUTES = {False: 60.0, True: 15.0}  # frozen or not
STEADY_WINDOWS = 1000  # held-out windows from which operating points hardly depend on chance
SETTINGS = "training/accelerate.json"
CONTROL_SPLITS = ("calib", "test")  # nothing is learned from these

# Shares of the time.
HELD_OUT, LABELS, TIMING = 0.05, 0.15, 0.1
MIN_SWEEP, MAX_SWEEP = 0.1, 0.4
# Expected durations as numbers of dense passes: of the sweep, over its sample and over all held-out texts, and of
# timing, over the timed texts. In 8 bits the sweep is at least ``INT8_SPEEDUP`` times as fast as in float32.
SWEEP_SAMPLE_PASSES, SWEEP_PASSES, TIMED_PASSES = 60, 6, 20
INT8_SPEEDUP = 2
WATCHED_WORDS = 5000  # of the held-out texts on which the agreement is logged during training


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """Settings of a run. Each field is a command-line option."""

    checkpoint: str = option("folder or hub id of a token-classification checkpoint")
    out: str = option("folder for the model: a new one, or that of the same run")
    labels: str = option("file that says what the checkpoint's labels mean, if the checkpoint does not", "")
    frozen: bool = option("fit gate heads alone; the checkpoint's files are copied byte for byte", False)
    gold: str = option(
        "gold to learn from, too: CORPUS:SPLIT, several joined by commas; each teaches only what it annotates", ""
    )
    minutes: float | None = option(
        "minutes for everything except F1 on a corpus (default 60, with --frozen 15)", None, (0.001, 10_000)
    )
    max_f1_drop: str | tuple[float, ...] = option(
        "pp of agreement that careful, balanced and fast may lose against the dense pass",
        ",".join(map(str, AGREEMENT_LIMITS)),
    )
    dtype: str = option(
        "dtype in which settings are measured; int8 stores layers in 8 bits, which needs requirements-int8.txt",
        "float32",
        choices=DTYPES,
    )
    corpus: str = option("corpus with gold, for F1 beside the agreement; it is not learned from", "")
    split: str = option("split of the corpus", "test")
    data_dir: str = shared_option("data_dir")
    mixed_precision: str = shared_option("mixed_precision")
    seed: int = shared_option("seed")

    def __post_init__(self) -> None:
        check_options(self)
        parse_limits(self.max_f1_drop, "max_f1_drop")
        if self.frozen and self.gold:
            raise InputError("expected no gold for a frozen checkpoint, got some; leave --gold or --frozen out")

    @property
    def seconds(self) -> float:
        """The time for everything."""
        return 60 * (self.minutes or MINUTES[self.frozen])

    @property
    def limits(self) -> tuple[float, ...]:
        """The limit of each operating point, in pp."""
        return parse_limits(self.max_f1_drop, "max_f1_drop")

    @property
    def conditions(self) -> dict[str, Any]:
        """The settings as stored with the run."""
        return {**asdict(self), "minutes": self.seconds / 60, "max_f1_drop": self.limits}


def accelerate(
    checkpoint: str | Path | tuple[PreTrainedModel, PreTrainedTokenizerBase],
    texts: Iterable[str],
    out: str | Path,
    *,
    held_out: Iterable[str] = (),
    resume: bool = False,
    **settings: Any,
) -> Path:
    """Makes a checkpoint fast: learns its own output on texts and writes a model folder with operating points.

    Args:
        checkpoint: folder or hub id of a token-classification checkpoint, or a model and its tokenizer.
        texts: texts to learn from; 400 abstracts are enough.
        out: folder for the model: a new one, or that of the same run.
        held_out: texts to choose operating points on; if empty, some of ``texts``.
        resume: continue the run in ``out``, or choose other operating points after its end.
        **settings: see `AccelerateConfig`, e.g. ``minutes``.

    Returns:
        The folder, for `load_engine`; its README.md has the measurements.

    Raises:
        InputError: if checkpoint, texts or settings cannot be used, or ``out`` contains other files.
    """
    given = None if isinstance(checkpoint, str | Path) else checkpoint
    name = given[0].name_or_path or "a model in memory" if given else str(checkpoint)
    config = AccelerateConfig(checkpoint=name, out=str(out), **settings)
    shown = "".join(f", {key}={value!r}" for key, value in settings.items())
    made_by = f"engine.accelerate({name!r}, texts, {str(out)!r}{shown})"
    with TemporaryDirectory() as folder:
        for part in given or ():
            part.save_pretrained(folder)
        _run(config, folder if given else name, list(texts), list(held_out), made_by, resume=resume)
    return Path(out)


def _run(
    config: AccelerateConfig, source: str, texts: Sequence[str], held_out: Sequence[str], made_by: str, *, resume: bool
) -> list[Row]:
    """Makes a model folder and returns what was measured: dense and each operating point.

    ``source`` is where the checkpoint is, and ``made_by`` the command or call that makes the folder.
    """
    started = time.monotonic()
    out, work = Path(config.out), Path(config.out, "training")
    resumed = continues(out, SETTINGS, config.conditions, resume=resume, free=("out", "data_dir", "max_f1_drop"))
    set_seed(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if config.dtype == "int8":
        if device != "cpu":
            raise InputError(f"expected device cpu for dtype int8, got {device}; use --dtype bfloat16")
        openvino()
    corpus = load_corpus(config.corpus, config.split, config.data_dir or None) if config.corpus else None
    with locked(work):
        if not (out / SUMS).is_file():
            _learn(config, source, texts, held_out, started, device, corpus)
        write_json(out / SETTINGS, config.conditions)
        facts = Facts(**read_json(work / "facts.json"))
        engine = load_engine(out, facts.dtype or config.dtype, device=device)
        facts = replace(facts, dtype=engine.dtype)  # ``auto`` is resolved once
        write_json(work / "facts.json", asdict(facts))
        reference, _ = _read_held_out(work)
        dense, dense_s = _dense_pass(engine, reference, work / "dense.json")
        reference = replace(reference, dense=dense.counts)
        left = max(config.seconds * (1 - TIMING) - (time.monotonic() - started), MIN_SWEEP * config.seconds)
        logger.info("choosing operating points in %s at most", tqdm.format_interval(left))
        sweep = Sweep(engine, reference, config.limits, seed=config.seed, log=Log(work / "sweep.jsonl"))
        sweep.run(STRATEGY, seconds=left)
        used = [document.text for document in reference.documents]
        timed = used[: max(1, int(TIMING * config.seconds / TIMED_PASSES / dense_s * len(used)))]
        rows, busy = measure_rows(dense, sweep, timed, corpus, work / "measured.jsonl")
        if corpus and facts.checkpoint_f1 is None:
            original = load_engine(source, labels=config.labels or None)
            begun = read_json(work / "begun.json")["checkpoint"]
            check_same(out, {"checkpoint": begun}, {"checkpoint": original.fingerprint})
            f1 = f1_of(original, corpus, Strategy("dense"))
            facts = replace(facts, corpus=f"{corpus.name} {corpus.split}", checkpoint_f1=f1)
        if not facts.minutes:  # the first time that the run is finished
            facts = replace(facts, minutes=(time.monotonic() - started) / 60, resumed=resumed)
        facts = replace(
            facts,
            held_out=len(used),
            windows=sum(count_windows(used, engine.pieces)),
            entities=sum(of.gold for of in dense.counts),
            device=device_name(torch.device(engine.device)),
            busy=busy,
        )
        write_json(work / "facts.json", asdict(facts))
        store(out, sweep, {STRATEGY: {row.name: row.trial for row in rows[1:] if row.stored}})
        with replacing(out / "README.md") as page:
            page.write_text(card(rows, facts, made_by), encoding="utf-8")
        shutil.rmtree(work / "run" / "checkpoint", ignore_errors=True)
    _warn(facts, rows, sweep.time_out(STRATEGY))
    return rows


def _learn(
    config: AccelerateConfig,
    source: str,
    texts: Sequence[str],
    held_out: Sequence[str],
    started: float,
    device: str,
    corpus: Corpus | None,
) -> None:
    """Trains and puts the model into the folder; the checksums come last, so they mark it as complete."""
    out, work = Path(config.out), Path(config.out, "training")
    if config.dtype == "int8":
        check_nncf()
    weights = load_weights(source, config.labels or None)
    if weights.model.encoder.num_layers < 2:
        raise InputError(f"expected an encoder of two layers or more, got one in {config.checkpoint!r}; choose another")
    engine = Engine(weights, device=device)
    if corpus:
        _check_types(corpus, engine, "--corpus")
    texts, held_out = split_texts(texts, held_out, engine.pieces, config.seed)
    gold, digests = _load_gold(config, engine, held_out)
    begun = {
        "checkpoint": engine.fingerprint,
        "texts to learn from": digest(texts),
        "texts held out": digest(held_out),
        "gold": digests,
    }
    if (work / "begun.json").is_file():
        check_same(out, read_json(work / "begun.json"), begun)
    if not (work / "held_out.json").is_file():
        begin, needed = time.monotonic(), min_texts(count_windows(held_out, engine.pieces))
        found = Reference.agreement(engine, held_out, needed, begin + HELD_OUT * config.seconds)
        write_json(work / "begun.json", begun)
        write_json(out / SETTINGS, config.conditions)
        write_json(work / "held_out.json", found.to_json() | {"seconds": time.monotonic() - begin})
    reference, seconds = _read_held_out(work)
    used = [document.text for document in reference.documents]
    counts = len(texts), len(used), len(held_out), seconds
    logger.info("%d texts to learn from; %d of %d held-out texts are used; their dense pass took %.0f s", *counts)
    labels = _label(config, weights, engine, texts, work)
    run = work / "run"
    run.mkdir(exist_ok=True)
    if config.frozen:
        copy_checkpoint(weights, run, rename=bool(config.labels))
    watched = enough_texts(used, WATCHED_WORDS)

    def watch(model: GatedModel) -> float:
        student = Engine(replace(weights, model=model, points={}), device=device)
        return measure(student, reference, [student.strategy(STRATEGY)], end=watched)[0].f1

    passes = distil(
        weights,
        labels.examples(map(words_of, texts), engine.pieces),
        gold,
        watch,
        work,
        device=torch.device(engine.device),
        frozen=config.frozen,
        mixed_precision=config.mixed_precision,
        deadline=started + config.seconds - _seconds_after_training(config, used, seconds),
        seed=config.seed,
    )
    if config.dtype == "int8":
        _store_int8(run, texts)
    facts = Facts(
        checkpoint=config.checkpoint,
        types=engine.labels.types,
        layers=engine.sizes.layers,
        frozen=config.frozen,
        gold=config.gold,
        texts=len(labels.counts),
        passes=passes,
        spare=len(held_out) - len(used),
    )
    write_json(work / "facts.json", asdict(facts))
    for file in run.iterdir():
        if file.is_file() and file.name not in ("log.jsonl", SUMS):
            shutil.copyfile(file, out / file.name)
    write_checksums(out)


def _label(config: AccelerateConfig, weights: Weights, engine: Engine, texts: Sequence[str], work: Path) -> SoftLabels:
    """Labels as many texts as time allows with the checkpoint's dense pass; an interrupted run continues.

    ``engine`` runs the checkpoint in float32; bfloat16 is used instead if it is allowed and faster.
    """
    file = work / "labels.npz"
    if (work / "schedule.json").is_file():  # training has begun
        return SoftLabels.load(file)
    until = time.monotonic() + LABELS * config.seconds
    if config.mixed_precision != "no":
        engine = Engine(weights, "bfloat16", engine.device)
    labels = store_labels(
        lambda done: ensemble([engine], texts[done:], engine.labels.types),
        len(texts),
        engine.labels.names,
        digest(texts),
        engine.digest,
        file,
        until,
    )
    if len(labels.counts) < len(texts):
        logger.info("time allows for %d of %d texts to learn from", len(labels.counts), len(texts))
    return labels


def _seconds_after_training(config: AccelerateConfig, held_out: Sequence[str], dense_s: float) -> float:
    """Returns the time to leave for what follows training: another dense pass, the sweep, and timing.

    ``dense_s``: seconds of the checkpoint's dense pass over the held-out texts.
    """
    sample = min(1, enough_texts(held_out, SAMPLE_WORDS) / len(held_out))
    sweep_s = dense_s * (SWEEP_SAMPLE_PASSES * sample + SWEEP_PASSES)
    if config.dtype == "int8":
        sweep_s /= INT8_SPEEDUP
    found = dense_s + min(sweep_s, MAX_SWEEP * config.seconds) + TIMING * config.seconds
    return max(found, 0.5 * config.seconds) if config.frozen else found


def _store_int8(folder: Path, texts: Sequence[str]) -> None:
    """Adds layers in 8 bits to a trained model."""
    (folder / INT8).unlink(missing_ok=True)
    write_checksums(folder)
    logger.info("quantising the layers")
    add_compiled(folder, texts)


def _check_types(corpus: Corpus, engine: Engine, option: str) -> None:
    """Raises an `InputError` if a corpus has no type that the checkpoint knows."""
    if not set(corpus.types) & set(engine.labels.types):
        raise InputError(
            f"expected gold for {', '.join(engine.labels.types)} in {corpus.name} {corpus.split}, got "
            f"{', '.join(corpus.types) or 'none'}; choose another {option}"
        )


def _load_gold(config: AccelerateConfig, engine: Engine, held_out: Sequence[str]) -> tuple[list[Example], list[str]]:
    """Returns windows of gold and a digest of each corpus."""
    corpora = named_corpora(config.gold, "fit", config.data_dir) if config.gold else []
    apart = {tuple(words_of(text)): "the held-out texts" for text in held_out}
    controls = [(config.corpus, config.split)] if config.corpus else []
    controls += [
        (corpus.name, split) for corpus in corpora for split in CONTROL_SPLITS if not Path(corpus.name).exists()
    ]
    for name, split in controls:
        try:
            control = load_corpus(name, split, config.data_dir or None)
        except InputError:  # there is no such split
            continue
        apart |= {tuple(words_of(document.text)): f"{name} {split}" for document in control.documents}
    for corpus in corpora:
        _check_types(corpus, engine, "--gold")
        shared = {apart[words] for one in corpus.documents if (words := tuple(words_of(one.text))) in apart}
        if shared or corpus.split in CONTROL_SPLITS:
            what = " and ".join(sorted(shared)) or f"the control split {corpus.split}"
            raise InputError(
                f"expected gold that is for learning, got {corpus.name} {corpus.split} with documents of {what}; "
                "choose another split"
            )
    examples = [one for corpus in corpora for one in gold_examples(corpus, engine.pieces, engine.labels)]
    return examples, [gold_digest(corpus) for corpus in corpora]


def _read_held_out(work: Path) -> tuple[Reference, float]:
    """Returns held-out texts with the checkpoint's entities, and the seconds that its dense pass took."""
    stored = read_json(work / "held_out.json")
    return Reference.from_json(stored), stored["seconds"]


def _dense_pass(engine: Engine, reference: Reference, file: Path) -> tuple[Trial, float]:
    """Returns the new model's dense pass on the held-out texts and its seconds; runs once, for no other model."""
    model = {"model": engine.fingerprint}
    if not file.is_file():
        begin = time.monotonic()
        (dense,) = measure(engine, reference, [Strategy("dense")], progress="dense pass")
        write_json(file, dense.to_json() | {"seconds": time.monotonic() - begin} | model)
    stored = read_json(file)
    check_same(Path(engine.source), {"model": stored.get("model")}, model)  # none in runs of earlier versions
    return Trial.from_json(stored, reference.dense), stored["seconds"]


def _warn(facts: Facts, rows: Sequence[Row], time_out: str) -> None:
    """Warns of what time did not suffice for, and of what makes the figures less reliable than they look."""
    if facts.busy > BUSY:
        logger.warning(f"other processes used {facts.busy:.0%} of the processors before timing")
    if time_out:
        reached = {row.name for row in rows if row.reached}
        without = " or ".join(point for point in OPERATING_POINTS if point not in reached)
        without = f", without an operating point {without}" if without else ""
        logger.warning(f"{time_out}{without}; go on with --resume, or start again with more --minutes")
    for row in rows[1:]:
        if row.reached and not row.stored:
            logger.warning(f"{STRATEGY}:{row.name} was measured to be no faster than dense and is not stored")
    if facts.passes < 1:
        logger.warning(
            f"training had time for {facts.passes:.2g} passes over the {facts.texts} texts that were labelled; "
            "start again with more --minutes"
        )
    if facts.windows < STEADY_WINDOWS:
        logger.warning(
            f"only {facts.windows} windows were held out: the agreement has a standard error of up to "
            f"{max(row.error for row in rows):.2f} pp, and the operating points depend on chance; {STEADY_WINDOWS} "
            f"windows or more are steady: {'give more --minutes' if facts.spare else 'hold out more texts'}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.training.accelerate", description=__doc__)
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="folder or hub id of a token-classification checkpoint")
    add(
        "--texts", nargs="+", required=True, metavar="FILE", help="texts in any format to learn from (.txt: one a line)"
    )
    add("--held-out", nargs="+", metavar="FILE", help="texts to choose operating points on (default: some of --texts)")
    add_options(parser, AccelerateConfig, skip=("checkpoint",))
    add("--resume", action="store_true", help="continue the run in --out, or choose other operating points")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    command = shlex.join(["python", "-m", "engine.training.accelerate", *(part for part in argv if part != "--resume")])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)  # it logs every file of a checkpoint
    settings = dict(vars(arguments))
    texts, held_out, resume = (settings.pop(name) for name in ("texts", "held_out", "resume"))
    config = AccelerateConfig(**settings)
    complete = Path(config.out, SUMS).is_file()  # its texts are not needed again
    texts, held_out = ([] if complete or not files else read_texts(files) for files in (texts, held_out))
    rows = _run(config, config.checkpoint, texts, held_out, command, resume=resume)
    print(table(rows), end="")
    print(f"the model, and its card README.md, are in {config.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
