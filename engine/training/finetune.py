"""Fine-tunes an encoder with a label head after every layer: ``python -m engine.training.finetune``.

By default it learns from gold labels, with a joint loss of all heads; with ``--soft-labels`` also from a teacher's
labels of other texts (distillation). With ``--pruned`` a share of the windows is pruned during training, with random
settings (self-sampling). With ``--plain`` only the last layer has a head: a plain checkpoint, such as a teacher.
Training runs the same packed-row pass as tagging.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch
from tqdm import tqdm
from transformers import AutoConfig, AutoModel, set_seed

from engine.cli.command import as_command
from engine.cli.runs import continues, locked, write_json
from engine.errors import InputError, first_line
from engine.formats.corpora import Corpus, load_corpus
from engine.formats.texts import read_texts
from engine.models.checksums import RUN_SETTINGS
from engine.models.folder import GATES
from engine.pytorch.checkpoint import load_weights, quiet
from engine.pytorch.encoders import encoder_class
from engine.pytorch.gated import GatedModel
from engine.pytorch.tokenizer import load_tokenizer, word_pieces
from engine.tagger import load_engine
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces
from engine.training.data import (
    Example,
    data_digest,
    digest,
    gold_examples,
    make_batches,
    named_corpora,
)
from engine.training.loop import Training, TrainingConfig, add_options, option
from engine.training.soft_labels import SoftLabels
from engine.training.trials import f1_of

logger = logging.getLogger(__name__)

PATIENCE = 4  # epochs without a better development F1 after which training stops


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingConfig):
    """Settings of fine-tuning."""

    corpus: str = option("training data: NAME (its split fit) or NAME:SPLIT, several joined by commas", "bc5cdr")
    dev_corpus: str = option("corpus for early stopping; empty: the first training corpus, unless it is a file", "")
    dev_split: str = option("split for early stopping", "calib")
    data_dir: str = option("folder searched first for named corpora", "")
    backbone: str = option("folder or hub id of a Hugging Face encoder, or a model folder with gates to train on")
    plain: bool = option("a label head after the last layer alone, as in a plain checkpoint", False)
    soft_labels: str = option(
        "LABELS=TEXTS, several joined by commas: files of engine.training.soft_labels and the texts that they label", ""
    )
    soft_share: float = option("unlabelled windows in each epoch, as a multiple of the gold windows", 1.0, (0, 100))

    @property
    def scored(self) -> tuple[str, ...]:
        """The strategies whose mean F1 early stopping uses; ``entropy`` has its default settings."""
        return ("dense", "entropy") if self.pruned else ("dense",)

    def corpora(self) -> tuple[list[Corpus], Corpus]:
        """Loads the training corpora and the one for early stopping."""
        train = named_corpora(self.corpus, self.data_dir)
        dev = load_corpus(self.dev_corpus or train[0].name, self.dev_split, self.data_dir or None)
        if not dev.types:
            raise InputError(
                f"expected entities for early stopping, got none in {dev.name} {dev.split}; choose another --dev-corpus"
            )
        if dev.digest in (corpus.digest for corpus in train):
            raise InputError(
                f"expected --dev-corpus with other documents than the training corpora, got {dev.name} {dev.split} for "
                "both; choose another --dev-corpus or --dev-split"
            )
        return train, dev


def new_model(backbone: str, labels: LabelSet, *, plain: bool = False) -> GatedModel:
    """Returns a model folder's model, or a pretrained encoder with new heads after each layer, or the last alone.

    A model folder may have the labels in another order.
    """
    if Path(backbone, GATES).is_file():
        weights = load_weights(backbone)
        if set(weights.labels.names) != set(labels.names):
            raise InputError(
                f"expected a model with the labels {list(labels.names)}, got {list(weights.labels.names)} in "
                f"{backbone}; choose another"
            )
        return weights.model
    try:
        config = AutoConfig.from_pretrained(backbone, trust_remote_code=False)
        encoder_type = encoder_class(config)
        with quiet():
            pretrained = AutoModel.from_pretrained(
                backbone, config=config, dtype=torch.float32, trust_remote_code=False
            )
    except InputError:
        raise
    except Exception as error:  # as in engine.pytorch.checkpoint: many types, one meaning
        raise InputError(
            f"expected a Hugging Face encoder, got {backbone!r}: {first_line(error)}; check the path or hub id"
        ) from error
    encoder = encoder_type(config)
    encoder.load_huggingface(pretrained.state_dict())
    model = GatedModel(encoder, labels, gates=not plain)
    for name, parameter in model.heads.named_parameters():
        torch.nn.init.normal_(parameter, std=0.0 if name.endswith("bias") else config.initializer_range)
    return model


def soft_examples(files: str, pieces: WordPieces, labels: LabelSet) -> list[Example]:
    """Loads windows with soft labels for a student with these labels; see `FinetuneConfig` for ``files``."""
    examples: list[Example] = []
    for pair in files.split(",") if files else ():
        stored, _, source = pair.partition("=")
        if not source:
            raise InputError(f"expected soft labels as LABELS=TEXTS, got {pair!r}; add the file of texts")
        soft_labels, texts = SoftLabels.load(Path(stored)), read_texts([source])
        if soft_labels.sha256 != digest(texts):
            raise InputError(f"expected {source} to be the file that {stored} labels, got another; find that file")
        if set(soft_labels.names) != set(labels.names):
            raise InputError(
                f"expected labels {list(labels.names)} in {stored}, got {list(soft_labels.names)}; "
                "choose a teacher with these labels"
            )
        examples += soft_labels.ordered(labels.names).examples(texts, pieces)
    return examples


class Finetuning(Training):
    """Training on gold and soft labels at every head.

    After each epoch the running average of the weights is saved, loaded again and scored by exact-span F1 on the
    development split; ``out`` contains the best average so far.
    """

    config: FinetuneConfig
    progress = ("epoch", "best", "best_epoch")

    def __init__(self, config: FinetuneConfig) -> None:
        train, self.dev = config.corpora()
        types = self.dev.types
        if others := sorted({type_ for corpus in train for type_ in corpus.types} - set(types)):
            logger.warning(
                "learned as outside: %s; %s, the corpus for early stopping, has no such entities",
                ", ".join(others),
                f"{self.dev.name} {self.dev.split}",
            )
        model = new_model(config.backbone, LabelSet(types), plain=config.plain)
        if config.pruned and not model.has_gates:
            raise InputError("expected gates with --pruned, got none; take two layers or more, and leave --plain out")
        tokenizer = load_tokenizer(config.backbone)
        self.pieces = word_pieces(tokenizer, model.encoder.max_rows)
        self.gold = [example for corpus in train for example in gold_examples(corpus, self.pieces, model.labels)]
        self.soft = soft_examples(config.soft_labels, self.pieces, model.labels)
        self.best, self.epoch, self.best_epoch = -1.0, 0, 0
        super().__init__(config, model, tokenizer)

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """All gold windows and the requested number of unlabelled ones."""
        count = min(len(self.soft), round(len(self.gold) * self.config.soft_share))
        return make_batches([*self.gold, *rng.sample(self.soft, count)], self.config.max_rows, rng)

    def fit(self) -> float:
        """Trains to the end and returns the score of the best model, which is in ``out``."""
        while self.epoch < self.config.epochs and self.epoch - self.best_epoch < PATIENCE:
            started = time.monotonic()
            self.epoch += 1
            loss = self.train_epoch()
            f1 = self.score_average()
            self.save_checkpoint()
            record = {"epoch": self.epoch, "loss": round(loss, 5), "dev_f1": round(f1, 5)}
            record |= {"best": self.best_epoch == self.epoch, "seconds": round(time.monotonic() - started, 1)}
            self.note(record)
        return self.best

    def score_average(self) -> float:
        """Scores the average of the weights and moves it to ``out`` if it is the best so far."""
        candidate = self.work / "candidate"
        self.save(candidate)
        engine = load_engine(candidate, "float32", str(self.accelerator.device))
        score = fmean(f1_of(engine, self.dev, engine.strategy(strategy)) for strategy in self.config.scored)
        if score > self.best:
            self.best, self.best_epoch = score, self.epoch
            for file in candidate.iterdir():
                file.replace(self.out / file.name)
        shutil.rmtree(candidate)
        return score

    def train_epoch(self) -> float:
        """Trains on one epoch's batches; returns the mean loss."""
        self.model.train()
        total, batches = 0.0, self.batches(random.Random(self.config.seed * 1000 + self.epoch))
        started, to_come = time.monotonic(), (self.config.epochs - self.epoch + 1) * len(batches)
        for number, batch in enumerate(tqdm(batches, desc=f"epoch {self.epoch}", disable=None), start=1):
            total += self.step(batch)
            if number % 50 == 0 or number == len(batches):
                left = tqdm.format_interval((time.monotonic() - started) / number * (to_come - number))
                done = f"epoch {self.epoch} of {self.config.epochs}: batch {number} of {len(batches)}"
                logger.info("%s, loss %.4f, %s left", done, total / number, left)
        return total / len(batches)


def train(config: FinetuneConfig, *, resume: bool = False) -> float:
    """Fine-tunes, or continues from the checkpoint in ``config.out``; returns the score of the saved model."""
    set_seed(config.seed)
    run, out = Finetuning(config), Path(config.out)
    data = data_digest([*run.gold, *run.soft], run.dev, run.pieces, run.model.encoder.config)
    conditions = asdict(config) | {"texts, labels, tokenizer and configuration": data}
    # Between two starts, only the folders written to and read from may change.
    continues(out, RUN_SETTINGS, conditions, resume=resume, free=("out", "data_dir"))
    with locked(out):
        write_json(out / RUN_SETTINGS, conditions)
        if resume:
            run.resume()
        return run.fit()


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.finetune", description=__doc__)
    add_options(parser, FinetuneConfig)
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = vars(parser.parse_args(argv))
    resume = settings.pop("resume")
    config = FinetuneConfig(**settings)
    f1 = train(config, resume=resume)
    print(f"exact-span F1 of {' and '.join(config.scored)} on development: {f1:.4f}; the model is in {config.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
