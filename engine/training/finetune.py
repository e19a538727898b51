"""Fine-tunes an encoder with a label head after every layer: ``python -m engine.training.finetune``.

It learns from gold labels with a joint loss of all heads, and with ``--teacher`` also from a teacher's labels of
``--texts`` (distillation). With ``--pruned``, words exit in a share of the windows (self-sampling). With ``--plain``,
only the last layer has a head, as in a plain checkpoint such as a teacher.
"""

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.markdown import markdown_table
from engine.cli.options import add_options, add_texts, config_of
from engine.cli.runs import continues, locked, texts_digest, write_json
from engine.corpora import Corpus
from engine.errors import InputError
from engine.formats import read_texts
from engine.loading import load_engine
from engine.models.decoder_file import write_decoder
from engine.settings import setting
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.training.corpora import held_out_corpora, parse_corpora
from engine.training.decoder import choose_abbreviations, fit_decoder
from engine.training.options import RESUME, TrainingConfig, read_backbone
from engine.training.trials import counts_on_gold, mean_f1

logger = logging.getLogger(__name__)

CONDITIONS = "training.json"  # in the folder of a run
CORPORA = "NAME (its split fit), NAME:SPLIT or a file, each perhaps followed by types=TYPE,TYPE and per-epoch=WINDOWS"
DEV_CORPUS = "default: calib or dev of the first training corpus, unless that is a file"


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingConfig):
    """Settings of fine-tuning."""

    corpus: tuple[str, ...] = setting(("bc5cdr",), f"training data: {CORPORA}", separator=" ")
    dev_corpus: tuple[str, ...] = setting((), f"for early stopping, in the same notation; {DEV_CORPUS}", separator=" ")
    data_dir: str = setting("", "folder searched first for named corpora")
    backbone: str = setting(MISSING, "folder or hub id of an encoder, or name or folder of a model with gates")
    layers: int | None = setting(None, "number of layers, the first ones of the backbone; by default all", 1, 1000)
    plain: bool = setting(False, "a label head after the last layer alone, as in a plain checkpoint")
    teacher: str = setting("", "folder or hub id of a checkpoint that labels the --texts")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not parse_corpora(self.corpus) or len(parse_corpora(self.dev_corpus)) > 1:
            raise InputError("--corpus needs a corpus to learn from, and --dev-corpus takes at most one.")
        if self.plain and self.pruned:
            raise InputError("--pruned needs gates, which --plain leaves out. Leave one of them out.")

    @property
    def scored(self) -> tuple[str, ...]:
        """Strategies whose mean F1 decides on early stopping, with default settings."""
        return ("dense", "entropy") if self.pruned else ("dense",)

    def corpora(self) -> tuple[list[Corpus], Corpus]:
        """Loads the training corpora and the one for early stopping."""
        corpora = [corpus.load(self.data_dir) for corpus in parse_corpora(self.corpus)]
        dev = held_out_corpora(self.dev_corpus or [corpora[0].name])[0].load(self.data_dir)
        *digests, dev_digest = (texts_digest([text.text for text in corpus.documents]) for corpus in (*corpora, dev))
        same = dev_digest in digests
        if same or not dev.types:
            problem = "the documents of a training corpus" if same else "no entities"
            raise InputError(f"{dev.title}, for early stopping, has {problem}. Choose another --dev-corpus.")
        unannotated = sorted(set(dev.types).difference(*(corpus.types for corpus in corpora)))
        if unannotated and not self.teacher:  # nothing would tell them from O
            problem = f"No training corpus annotates {', '.join(unannotated)}, which {dev.title} has"
            raise InputError(f"{problem}. Add one, or name the types that count: --dev-corpus NAME types=TYPE,TYPE")
        return corpora, dev


def finetune(config: FinetuneConfig, texts: Sequence[str] = (), *, resume: bool = False) -> float:
    """Fine-tunes or resumes; returns the development F1. The teacher labels the ``texts``."""
    corpora, dev = config.corpora()
    labels, out = LabelSet(dev.types), Path(config.out)
    backbone = read_backbone(config.backbone, labels, layers=config.layers, plain=config.plain)
    if config.pruned and backbone.layers < 2:
        raise InputError(f"{config.backbone!r} has one layer, so --pruned has no gate. Leave it out.")
    teacher = load_engine(config.teacher) if config.teacher else None
    if teacher and set(teacher.labels.names) != set(labels.names):
        raise InputError(f"The teacher has the labels {teacher.labels.names}, not {labels.names}. Choose another.")
    documents = [[corpus.digest, *corpus.types] for corpus in (*corpora, dev)]
    conditions = asdict(config) | {"documents": documents, "texts": texts_digest(texts)}
    conditions |= {"tokenizer": backbone.pieces.digest(), "the teacher": teacher.fingerprint if teacher else None}
    continues(out, CONDITIONS, conditions, resume=resume, free=("out", "data_dir"))
    if others := sorted({type_ for corpus in corpora for type_ in corpus.types} - set(dev.types)):
        logger.info("Learned as outside: %s, which %s, for early stopping, lacks.", ", ".join(others), dev.title)

    from transformers import set_seed

    from engine.training.examples import LABELS, Pool, gold_examples, label_texts, soft_examples
    from engine.training.heads import load_trainable
    from engine.training.trainer import Trainer, default_device

    set_seed(config.seed)
    model, tokenizer, pieces = trainable = load_trainable(backbone)
    if config.mask and tokenizer.mask_token_id is None:
        raise InputError(f"{config.backbone!r} has no mask token. Add --mask 0.")
    gold = [
        Pool(gold_examples(loaded, pieces, model.labels), corpus.per_epoch)
        for loaded, corpus in zip(corpora, parse_corpora(config.corpus), strict=True)
    ]
    device = default_device()
    if teacher and device != "cpu":
        teacher = load_engine(config.teacher, device=device)

    decoder, counted = fit_decoder(model.labels, corpora)

    def score(folder: Path) -> tuple[float, str]:
        if decoder.transitions is not None:
            write_decoder(folder, decoder, counted)
        engine = load_engine(folder, "float32", device)
        counts = [counts_on_gold(engine, dev, engine.strategy(name)) for name in config.scored]
        return mean_f1(counts), by_type(counts[0])

    with locked(out):
        write_json(out / CONDITIONS, conditions)
        soft = []
        if teacher:
            soft_labels = label_texts(teacher, texts, out / LABELS)
            soft = soft_examples(texts, soft_labels, teacher.labels, pieces, model.labels)
        run = Trainer(config, trainable, gold=gold, soft=soft, work=out, score=score)
        if not (resume and run.resume()):
            run.choose_dtype()
        run.fit()
        if decoder.transitions is not None:
            decoder.abbreviations = choose_abbreviations(out, dev)
            write_decoder(out, decoder, counted)
    print(f"F1 by type on {dev.title}:\n\n{run.best_table}")
    return run.best


def by_type(counts: Mapping[str, Counts]) -> str:
    """The Markdown table of F1, precision and recall of each type, the most frequent first."""
    rows = sorted(counts.items(), key=lambda row: -row[1].gold)
    cells = [(type_, *(f"{value:.4f}" for value in (c.f1, c.precision, c.recall)), str(c.gold)) for type_, c in rows]
    return markdown_table(["type", "F1", "precision", "recall", "mentions"], cells)


@as_command
def main(argv: list[str] | None) -> int:
    parser = new_parser("engine.training.finetune", __doc__)
    add_options(parser, FinetuneConfig)
    add_texts(parser, "texts in any format for --teacher", required=False)
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    arguments = parser.parse_args(argv)
    config = config_of(FinetuneConfig, arguments)
    if bool(config.teacher) != bool(arguments.texts):
        raise InputError("--teacher and --texts belong together. Give both or neither.")
    texts = read_texts(arguments.texts, lines=arguments.lines)
    labels = f" and on labels that {config.teacher} gives {len(texts)} texts" if texts else ""
    say(f"Fine-tune {config.backbone} on {' '.join(config.corpus)}{labels}. {RESUME}")
    f1 = finetune(config, texts, resume=arguments.resume)
    out = shlex.quote(config.out)
    plain, gated = f"accelerate {out} --texts FILE --out FOLDER", f"calibrate --model {out} --texts FILE"
    scored = " and ".join(config.scored)
    say(f"The model in {config.out} has an exact-span F1 of {f1:.4f} on development ({scored}).")
    say(f"Next: bioner {plain if config.plain else gated}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
