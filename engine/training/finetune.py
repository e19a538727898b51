"""Fine-tunes an encoder with a label head after every layer: ``python -m engine.training.finetune``.

It learns from gold labels, with a joint loss of all heads, and with ``--teacher`` and ``--texts`` also from the labels
that a teacher gives other texts (distillation). With ``--pruned`` words exit in a share of the windows (self-sampling).
With ``--plain`` the last layer alone has a head, as in a plain checkpoint such as a teacher.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path
from statistics import fmean

from engine.base import Engine
from engine.cli.command import as_command, program, say
from engine.cli.options import add_options, config_of
from engine.cli.progress import Progress, duration
from engine.cli.runs import continues, locked, write_json
from engine.errors import InputError
from engine.formats import read_texts
from engine.formats.corpora import Corpus, Lesson, lessons
from engine.formats.named import NAMED
from engine.models.families import family_of
from engine.models.folder import local_folder, read_config
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE
from engine.settings import setting
from engine.tagger import load_engine
from engine.text.labels import LabelSet
from engine.text.scoring import Counts, count_documents
from engine.training.card import markdown
from engine.training.options import TrainingConfig

CONDITIONS = "training.json"  # in the folder of a run
LESSONS = "NAME (its split fit), NAME:SPLIT or a file, each perhaps followed by types=TYPE,TYPE and per-epoch=WINDOWS"
DEV_CORPUS = "default: calib or dev of the first training corpus, unless that is a file"


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingConfig):
    """Settings of fine-tuning."""

    corpus: tuple[str, ...] = setting(("bc5cdr",), f"training data: {LESSONS}", separator=" ")
    dev_corpus: tuple[str, ...] = setting((), f"corpus for early stopping, written so too; {DEV_CORPUS}", separator=" ")
    data_dir: str = setting("", "folder searched first for named corpora")
    backbone: str = setting(MISSING, "folder or hub id of a Hugging Face encoder, or a model folder with gates")
    layers: int | None = setting(None, "number of layers, the first ones of the backbone; by default all", 1, 1000)
    plain: bool = setting(False, "a label head after the last layer alone, as in a plain checkpoint")
    teacher: str = setting("", "folder or hub id of a checkpoint that labels the --texts")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lessons or len(lessons(self.dev_corpus)) > 1:
            raise InputError("expected a corpus to learn from and at most one for early stopping; change the options")
        if self.plain and self.pruned:
            raise InputError("expected gates with --pruned, got --plain; leave one of them out")

    @property
    def scored(self) -> tuple[str, ...]:
        """The strategies whose mean F1 early stopping uses; ``entropy`` has its default settings."""
        return ("dense", "entropy") if self.pruned else ("dense",)

    @property
    def lessons(self) -> list[Lesson]:
        """The training corpora, and how much of each an epoch draws."""
        return lessons(self.corpus)

    def corpora(self) -> tuple[list[Corpus], Corpus]:
        """Loads the training corpora and the one for early stopping."""
        corpora = [lesson.load(self.data_dir) for lesson in self.lessons]
        chosen = lessons(self.dev_corpus)[0] if self.dev_corpus else Lesson(corpora[0].name)
        named = NAMED.get(chosen.name)
        dev = chosen.load(self.data_dir, "calib" if named and "calib" in named.splits else "dev")
        same = dev.digest in (corpus.digest for corpus in corpora)
        if same or not dev.types:
            raise InputError(
                f"expected entities for early stopping, in documents other than those of training, got "
                f"{'the same' if same else 'none'} in {dev.name} {dev.split}; choose another --dev-corpus"
            )
        return corpora, dev


def finetune(config: FinetuneConfig, texts: Sequence[str] = (), *, resume: bool = False) -> float:
    """Fine-tunes, or continues in ``config.out``; returns the development F1. The teacher labels the ``texts``.

    Raises:
        InputError: if corpora, backbone or teacher cannot be used, or ``config.out`` contains another run.
    """
    corpora, dev = config.corpora()
    if others := sorted({type_ for corpus in corpora for type_ in corpus.types} - set(dev.types)):
        say(f"Learned as outside: {', '.join(others)}, of which {dev.name} {dev.split}, for early stopping, has none.")

    for source in filter(None, (config.backbone, config.teacher)):
        local_folder(source)  # refuses a wrong path before anything heavy is imported
    layers = family_of(read_config(local_folder(config.backbone))).num_layers
    if config.layers and config.layers > layers:
        raise InputError(
            f"expected --layers {layers} or less, as many as {config.backbone!r} has, got {config.layers}; change it"
        )

    from transformers import set_seed

    from engine.training.examples import LABELS, Pool, digest, gold_examples, label_texts, soft_examples
    from engine.training.heads import new_learner
    from engine.training.trainer import Trainer, default_device

    set_seed(config.seed)
    learner = new_learner(config.backbone, LabelSet(dev.types), layers=config.layers, plain=config.plain)
    model, tokenizer, pieces = learner
    if config.pruned and not model.has_gates:
        raise InputError(f"expected an encoder of two layers or more for --pruned, got one in {config.backbone!r}")
    if config.mask and tokenizer.mask_token_id is None:
        raise InputError(f"expected a mask token in {config.backbone!r} for --mask, got none; add --mask 0")
    gold = [
        Pool(gold_examples(corpus, pieces, model.labels), lesson.per_epoch)
        for corpus, lesson in zip(corpora, config.lessons, strict=True)
    ]
    device, out = str(default_device()), Path(config.out)
    teacher = load_engine(config.teacher, device=device) if config.teacher else None
    if teacher and set(teacher.labels.names) != set(model.labels.names):
        raise InputError(
            f"expected a teacher with the labels {list(model.labels.names)}, got {list(teacher.labels.names)}; choose "
            "another teacher"
        )
    conditions = asdict(config) | {
        "documents": [[corpus.digest, *corpus.types] for corpus in (*corpora, dev)],
        "texts": digest(texts),
        "tokenizer": pieces.digest(),
        "the teacher": teacher.fingerprint if teacher else None,
    }
    continues(out, CONDITIONS, conditions, resume=resume, free=("out", "data_dir"))

    def score(folder: Path) -> float:
        engine = load_engine(folder, "float32", device)
        return fmean(f1_of(engine, dev, strategy) for strategy in config.scored)

    with locked(out):
        write_json(out / CONDITIONS, conditions)
        soft = []
        if teacher:
            labels = label_texts(teacher, texts, out / LABELS)
            soft = soft_examples(texts, labels, teacher.labels, pieces, model.labels)
        run = Trainer(config, learner, gold=gold, soft=soft, work=out, score=score)
        if not (resume and run.resume()):
            say(f"{config.epochs} epochs take about {duration(run.steps * run.try_out())}, and fewer may suffice.")
        run.fit()
    counts = counts_of(load_engine(out, "float32", device), dev, DENSE)
    print(f"F1 by type on {dev.name} {dev.split}:\n\n{by_type(counts)}")
    return run.best


def f1_of(engine: Engine, corpus: Corpus, strategy: str | Strategy) -> float:
    """Exact-span micro F1 on a corpus, 0–1."""
    return Counts.total(counts_of(engine, corpus, strategy).values()).f1


def counts_of(engine: Engine, corpus: Corpus, strategy: str | Strategy) -> dict[str, Counts]:
    """Exact-span counts of each type on a corpus."""
    results = engine.tag_batch([document.text for document in corpus.documents], strategy)
    found = [result.entities for result in results]
    return {type_: Counts.total(count_documents(corpus.documents, found, (type_,))) for type_ in corpus.types}


def by_type(counts: Mapping[str, Counts]) -> str:
    """The Markdown table of F1, precision and recall of each type, the most frequent first."""
    rows = sorted(counts.items(), key=lambda row: -row[1].gold)
    cells = [(type_, *(f"{value:.4f}" for value in (c.f1, c.precision, c.recall)), str(c.gold)) for type_, c in rows]
    return markdown(["type", "F1", "precision", "recall", "mentions"], cells)


@as_command
def main(argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog=program("engine.training.finetune"), description=__doc__)
    add_options(parser, FinetuneConfig)
    parser.add_argument("--texts", nargs="+", default=[], metavar="FILE", help="texts in any format for --teacher")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    arguments = parser.parse_args(argv)
    config = config_of(FinetuneConfig, arguments)
    if bool(config.teacher) != bool(arguments.texts):
        raise InputError("expected --teacher together with --texts, got one of them; give both or neither")
    texts = read_texts(arguments.texts)
    labels = f" and on labels that {config.teacher} gives {len(texts)} texts" if texts else ""
    progress = Progress(f"Fine-tune {config.backbone} on {' '.join(config.corpus)}{labels}")
    f1 = finetune(config, texts, resume=arguments.resume)
    following = f"accelerate {config.out} --texts FILE --out FOLDER"
    progress.finish(
        f"the model in {config.out} has an exact-span F1 of {f1:.4f} on development ({' and '.join(config.scored)}).",
        f"python -m engine.training.{following if config.plain else f'calibrate --model {config.out} --texts FILE'}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
