"""Fine-tunes a BERT encoder with a label head after every layer (joint loss): ``python -m engine.training.finetune``.

Training runs the packed-row pass that tagging runs. Each epoch ends with exact-span F1 on the development split, of the
running average of the weights; the best average is what is saved.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from transformers import AutoConfig, AutoModel, get_linear_schedule_with_warmup
from transformers.utils import logging as transformers_logging

from engine.corpora import Corpus, load_corpus
from engine.encoders import encoder_class
from engine.errors import InputError, first_line
from engine.model import GatedModel
from engine.scoring import Counts, count_documents
from engine.tagger import Engine
from engine.tokenization import WordPieces, load_tokenizer
from engine.training.data import make_batches, make_examples, mask_words, pack
from engine.weights import Weights, load_weights, save_weights
from engine.words import LabelSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneConfig:
    """Settings of a run; every field is a command-line option.

    Args:
        backbone: folder or hub id of a Hugging Face BERT encoder.
        out: folder for the model, the log, and the checkpoint (which may go once the run has ended).
        corpus, split: what is learned from.
        dev_corpus, dev_split: what early stopping looks at; the corpus is ``corpus`` where empty.
        data_dir: first place to look for named corpora.
        epochs: passes over the training documents at most.
        patience: stop after so many epochs without a better development F1.
        lr: peak learning rate; linear warm-up over a tenth of the steps, linear decay.
        weight_decay: of AdamW.
        max_rows: word pieces in a batch at most.
        dropout: on embeddings and on the outputs of attention and feed-forward.
        mask: share of words that are masked in each pass.
        label_smoothing: of the cross-entropy; it raises the entropy of certain words, and with it all thresholds.
        gate_weight: weight of the mean loss of the gate heads beside the last layer's.
        average: decay per step of the running average of the weights.
        mixed_precision: ``bf16`` or ``no``.
        seed: of everything that is random.
    """

    backbone: str
    out: str
    corpus: str = "bc5cdr"
    split: str = "fit"
    dev_corpus: str = ""
    dev_split: str = "calib"
    data_dir: str = ""
    epochs: int = 12
    patience: int = 4
    lr: float = 3e-4
    weight_decay: float = 0.01
    max_rows: int = 2048
    dropout: float = 0.1
    mask: float = 0.1
    label_smoothing: float = 0.0
    gate_weight: float = 1.0
    average: float = 0.995
    mixed_precision: str = "bf16"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 10_000),
            ("patience", 1, 10_000),
            ("lr", 0, 1),
            ("max_rows", 1, 10**7),
            ("dropout", 0, 0.9),
            ("mask", 0, 0.9),
            ("label_smoothing", 0, 0.9),
            ("gate_weight", 0, 100),
            ("average", 0, 0.99999),
            ("weight_decay", 0, 10),
            ("seed", 0, 2**31),
        ):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"expected {name} between {low} and {high}, got {getattr(self, name)}; change it")
        if self.mixed_precision not in ("bf16", "no"):
            raise InputError(f"expected mixed_precision bf16 or no, got {self.mixed_precision!r}; choose one of them")


def joint_loss(outputs: list[Tensor], labels: Tensor, config: FinetuneConfig) -> Tensor:
    """Cross-entropy of the last head plus ``gate_weight`` times the mean of the gate heads' (Xin et al. 2020, DeeBERT).

    Args:
        outputs: logits ``(words, labels)`` of each head, first layer to last.
        labels: int64 ``(words,)``.
        config: weights and label smoothing.
    """
    losses = [F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing) for logits in outputs]
    gates = losses[:-1]
    return losses[-1] + (config.gate_weight * torch.stack(gates).mean() if gates else 0.0)


def dense_f1(weights: Weights, corpus: Corpus, device: str) -> float:
    """Exact-span micro F1 of the dense pass, 0–1."""
    results = Engine(weights, device=device).tag_batch([document.text for document in corpus.documents], "dense")
    found = [result.entities for result in results]
    return sum(count_documents(corpus.documents, found, corpus.types), Counts()).f1


def new_model(backbone: str, labels: LabelSet, dropout: float) -> GatedModel:
    """A pretrained encoder with fresh heads after all layers."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(backbone)
        encoder_type = encoder_class(config)
        pretrained = AutoModel.from_pretrained(backbone, dtype=torch.float32)
    except InputError:
        raise
    except Exception as error:  # as in engine.weights: many kinds, one meaning
        raise InputError(
            f"expected a Hugging Face encoder, got {backbone!r}: {first_line(error)}; check the path or hub id"
        ) from error
    config.hidden_dropout_prob = dropout
    encoder = encoder_type(config)
    encoder.load_huggingface(pretrained.state_dict())
    model = GatedModel(encoder, labels, gates=True)
    for name, parameter in model.heads.named_parameters():
        torch.nn.init.normal_(parameter, std=0.0 if name.endswith("bias") else config.initializer_range)
    return model


class Run:
    """One fine-tuning run with its checkpoints: model, optimizer, schedule, average, progress."""

    def __init__(self, config: FinetuneConfig, train: Corpus, dev: Corpus) -> None:
        self.config, self.dev = config, dev
        self.out = Path(config.out)
        set_seed(config.seed)
        self.labels = LabelSet(train.types)
        model = new_model(config.backbone, self.labels, config.dropout)
        self.tokenizer = load_tokenizer(config.backbone)
        pieces = WordPieces(self.tokenizer, model.encoder.max_rows)
        self.examples = make_examples(train.documents, pieces, self.labels)
        if not self.examples:
            raise InputError(
                f"expected documents to learn from, got none in {train.name} {train.split}; choose another split"
            )
        steps = config.epochs * len(make_batches(self.examples, config.max_rows, random.Random(0)))
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
        schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
        self.accelerator = Accelerator(mixed_precision=config.mixed_precision)
        if self.accelerator.num_processes > 1:
            raise InputError("expected one process, got several; start it with python, not with accelerate launch")
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.schedule = schedule
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.average))
        self.epoch, self.best, self.best_epoch = 0, -1.0, 0
        self.accelerator.register_for_checkpointing(self.schedule, self.average, self)

    def state_dict(self) -> dict[str, float]:
        """Progress, for checkpoints."""
        return {"epoch": self.epoch, "best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Progress from a checkpoint."""
        self.epoch, self.best, self.best_epoch = int(state["epoch"]), state["best"], int(state["best_epoch"])

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint"

    def resume(self) -> None:
        """Goes on from the checkpoint, if there is one."""
        stale = self.out / "checkpoint.old"
        if stale.is_dir() and not self.checkpoint.is_dir():
            stale.rename(self.checkpoint)
        if self.checkpoint.is_dir():
            self.accelerator.load_state(str(self.checkpoint))
            logger.info("resumed after epoch %d", self.epoch)

    def fit(self) -> float:
        """Trains to the end; the best model lies in ``out``.

        Returns:
            Its exact-span F1 on the development split, 0–1.
        """
        while self.epoch < self.config.epochs and self.epoch - self.best_epoch < self.config.patience:
            started = time.perf_counter()
            self.epoch += 1
            loss = self._train_epoch()
            f1 = self._evaluate()
            improved = f1 > self.best
            if improved:
                self.best, self.best_epoch = f1, self.epoch
                candidate = self.out / "candidate"
                for file in candidate.iterdir():
                    file.replace(self.out / file.name)
            self._save_checkpoint()
            record = {"epoch": self.epoch, "loss": round(loss, 5), "dev_f1": round(f1, 5), "best": improved}
            record["seconds"] = round(time.perf_counter() - started, 1)
            logger.info("%s", record)
            with (self.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(record) + "\n")
        shutil.rmtree(self.out / "candidate", ignore_errors=True)
        return self.best

    def _save_checkpoint(self) -> None:
        """Replaces the checkpoint at once, so that an interruption leaves the old or the new one."""
        fresh, stale = self.out / "checkpoint.new", self.out / "checkpoint.old"
        shutil.rmtree(fresh, ignore_errors=True)
        self.accelerator.save_state(str(fresh))
        shutil.rmtree(stale, ignore_errors=True)
        if self.checkpoint.exists():
            self.checkpoint.rename(stale)
        fresh.rename(self.checkpoint)
        shutil.rmtree(stale, ignore_errors=True)

    def _train_epoch(self) -> float:
        self.model.train()
        rng = random.Random(self.config.seed * 1000 + self.epoch)
        total, batches = 0.0, make_batches(self.examples, self.config.max_rows, rng)
        for examples in tqdm(batches, desc=f"epoch {self.epoch}", disable=None):
            batch, labels = pack(examples, self.accelerator.device)
            if self.config.mask:
                batch = mask_words(batch, self.config.mask, self.tokenizer.mask_token_id)
            loss = joint_loss(self.model(batch), labels, self.config)
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.average.update_parameters(self.accelerator.unwrap_model(self.model))
            total += loss.item()
        return total / len(batches)

    def _evaluate(self) -> float:
        """Saves the averaged weights, loads them again and scores them."""
        averaged = self.average.module
        assert isinstance(averaged, GatedModel)
        save_weights(self.out / "candidate", averaged, self.tokenizer)
        return dense_f1(load_weights(self.out / "candidate"), self.dev, str(self.accelerator.device))


def finetune(config: FinetuneConfig, *, resume: bool = False) -> float:
    """Fine-tunes as configured.

    Args:
        config: the run.
        resume: go on from the checkpoint in ``config.out``.

    Returns:
        Exact-span F1 of the saved model on the development split, 0–1.

    Raises:
        InputError: unusable backbone or corpus, or an ``out`` that holds another run.
    """
    data_dir = config.data_dir or None
    train = load_corpus(config.corpus, config.split, data_dir)
    dev = load_corpus(config.dev_corpus or config.corpus, config.dev_split, data_dir)
    out = Path(config.out)
    settings = out / "finetune.json"
    if resume and settings.is_file():
        # Where things lie may change between two starts, what is done may not.
        stored = json.loads(settings.read_text()) | {"out": config.out, "data_dir": config.data_dir}
        changed = sorted(key for key, value in asdict(config).items() if stored.get(key) != value)
        if changed:
            raise InputError(
                f"expected the settings of the run in {out}, got other {changed}; repeat them, or use another --out"
            )
    elif settings.exists():
        raise InputError(f"expected a new folder, got {out} with a run in it; add --resume, or use another --out")
    out.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(asdict(config), indent=2) + "\n")
    run = Run(config, train, dev)
    if resume:
        run.resume()
    return run.fit()


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.finetune", description=__doc__)
    for field in fields(FinetuneConfig):
        option = "--" + field.name.replace("_", "-")
        required = field.name in ("backbone", "out")
        kind = {"str": str, "int": int, "float": float}[str(field.type)]
        shown = None if required else f"default {field.default!r}"
        parser.add_argument(
            option, type=kind, required=required, default=None if required else field.default, help=shown
        )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    arguments = vars(parser.parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    resume = arguments.pop("resume")
    try:
        f1 = finetune(FinetuneConfig(**arguments), resume=resume)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"exact-span F1 on development: {f1:.4f}; the model is in {arguments['out']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
