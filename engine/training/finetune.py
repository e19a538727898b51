"""Fine-tunes an encoder with a label head after every layer: ``python -m engine.training.finetune``.

Three stages share one command. By default it learns from gold labels, with a joint loss of all heads. With
``--soft-labels`` it also learns from teachers' labels of other texts (distillation). With ``--pruned`` a share of the
windows is pruned during training, with settings drawn at random (self-sampling). Training runs the same packed-row pass
as tagging.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerBase

from engine.checkpoint import GATES, load_weights, save_weights
from engine.command import as_command
from engine.errors import InputError
from engine.model.encoders import encoder_class, shorten
from engine.model.gated import GatedModel
from engine.model.packing import RaggedBatch
from engine.pruning.forward import forward
from engine.pruning.gate import Decision, Gate
from engine.pruning.memory import MemoryBuffer
from engine.pruning.strategy import Context
from engine.tagger import load_engine
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces, load_tokenizer
from engine.training.backbone import loading
from engine.training.config import TrainingConfig, option
from engine.training.data import (
    Example,
    Packed,
    data_digest,
    gold_examples,
    make_batches,
    mask_words,
    pack,
    spread_outside,
)
from engine.training.loop import Run, command_line
from engine.training.outcome import f1
from engine.training.sampling import ENTROPIES, SampledController, all_stay, draw_context
from engine.training.soft_labels import SoftLabels
from engine.training.texts import Texts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingConfig):
    """Settings of a run."""

    backbone: str = option("folder or hub id of a Hugging Face encoder, or a model folder with gates to train further")
    frozen: bool = option("the backbone is a token-classification checkpoint: leave it as it is, fit gate heads", False)
    layers: int = option("number of layers to take from the backbone, from the first one on; 0: all", 0)
    soft_labels: str = option(
        "LABELS=TEXTS, several joined by commas: files of engine.training.soft_labels and the texts that they label", ""
    )
    temperature: float = option(
        "temperature of the soft labels; below 1 sharpens them, so that certain words differ more from doubtful ones",
        0.5,
    )
    soft_share: float = option("unlabelled windows in each epoch, as a multiple of the gold windows", 1.0)
    pruned: float = option("share of windows that are pruned; a word's loss is then taken where it exits", 0.0)
    dense_share: float = option(
        "with --pruned: share of the targets that the dense pass of the same model gives (self-distillation); takes a "
        "third of the time",
        0.0,
    )
    mask: float = option("share of words that are masked in each pass", 0.1)
    label_smoothing: float = option(
        "of the cross-entropy; raises the entropy of certain words, and all thresholds", 0.0
    )
    gate_weight: float = option("weight of the mean loss of the gate heads beside the loss of the final labels", 1.0)

    LIMITS = TrainingConfig.LIMITS | {
        "layers": (0, 1000),
        "temperature": (0.05, 20),
        "soft_share": (0, 100),
        "pruned": (0, 1),
        "dense_share": (0, 1),
        "mask": (0, 0.9),
        "label_smoothing": (0, 0.9),
        "gate_weight": (0, 100),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frozen and self.layers:
            raise InputError(f"expected no --layers with --frozen, got {self.layers}; leave one of them out")
        if self.dense_share and not self.pruned:
            raise InputError(
                f"expected --pruned with --dense-share {self.dense_share}, got none; add it, or leave --dense-share out"
            )

    @property
    def scored(self) -> tuple[str, ...]:
        """``dense``; if windows are pruned, also ``entropy`` with its default settings."""
        return ("dense", "entropy") if self.pruned else ("dense",)


def joint_loss(memory: MemoryBuffer, packed: Packed, layers: int, config: FinetuneConfig) -> Tensor:
    """Loss of every word where it exited, plus ``gate_weight`` times the mean loss of the heads before the last layer.

    Without pruning all words end at the last layer, and this is the joint loss of Xin et al. 2020 (DeeBERT). It is
    cross-entropy with the target distribution, which has the gradient of KL divergence.

    Args:
        memory: of a pass with a head after every layer.
        packed: the batch with its targets.
        layers: of the encoder.
        config: weights and label smoothing.
    """
    ends, gates = [], []
    for head in memory.heads:
        logits = head.logits.float()
        targets = spread_outside(packed.targets[head.words], logits, packed.outside[head.words])
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=config.label_smoothing)
        ends.append(losses[np.flatnonzero(memory.exit_at[head.words] == head.number)].sum())
        if head.number < layers:
            gates.append(losses.mean())
    end = torch.stack(ends).sum() / len(packed.targets)
    return end + (config.gate_weight * torch.stack(gates).mean() if gates else 0.0)


def new_model(backbone: str, labels: LabelSet, layers: int) -> GatedModel:
    """A model folder's encoder and heads, or a pretrained encoder's first layers with new heads after each."""
    if Path(backbone, GATES).is_file():
        if layers:
            raise InputError(f"expected a plain encoder with --layers, got {backbone} with gates; leave --layers out")
        weights = load_weights(backbone)
        if weights.model.labels.names != labels.names:
            raise InputError(
                f"expected a model with the labels {list(labels.names)}, got {list(weights.model.labels.names)}; "
                "choose another --backbone"
            )
        return weights.model
    with loading(backbone):
        config = AutoConfig.from_pretrained(backbone, trust_remote_code=False)
        encoder_type = encoder_class(config)
        if layers > config.num_hidden_layers:
            raise InputError(
                f"expected at most {config.num_hidden_layers} --layers of {backbone!r}, got {layers}; take fewer"
            )
        if layers:
            shorten(config, layers)
        pretrained = AutoModel.from_pretrained(backbone, config=config, dtype=torch.float32, trust_remote_code=False)
    encoder = encoder_type(config)
    encoder.load_huggingface(pretrained.state_dict())
    model = GatedModel(encoder, labels, gates=True)
    for name, parameter in model.heads.named_parameters():
        torch.nn.init.normal_(parameter, std=0.0 if name.endswith("bias") else config.initializer_range)
    return model


def frozen_model(checkpoint: str, labels: LabelSet) -> GatedModel:
    """A frozen token-classification checkpoint, with new heads to train before its last layer."""
    plain = load_weights(checkpoint).model
    if set(plain.labels.types) != set(labels.types):
        raise InputError(
            f"expected a checkpoint for {sorted(labels.types)}, got one for {sorted(plain.labels.types)}; "
            "choose another --backbone or --corpus"
        )
    return freeze(with_gates(plain))


def with_gates(plain: GatedModel) -> GatedModel:
    """The model of a token-classification checkpoint with fresh heads before its last layer."""
    last = str(plain.encoder.num_layers)
    model = GatedModel(plain.encoder, plain.labels, gates=True)
    model.heads[last] = plain.heads[last]
    return model


def freeze(model: GatedModel) -> GatedModel:
    """Freezes everything in the model except the heads before its last layer."""
    for part in (model.encoder, model.heads[str(model.encoder.num_layers)]):
        part.requires_grad_(False)
    return model


def soft_examples(files: str, pieces: WordPieces, labels: LabelSet) -> list[Example]:
    """Windows with soft labels.

    Args:
        files: ``LABELS=TEXTS`` joined by commas, or empty.
        pieces: of the student.
        labels: of the student.

    Raises:
        InputError: no such file, other texts or other labels than the teacher's.
    """
    examples: list[Example] = []
    for pair in files.split(",") if files else ():
        stored, _, source = pair.partition("=")
        if not source:
            raise InputError(f"expected soft labels as LABELS=TEXTS, got {pair!r}; add the file of texts")
        soft_labels, texts = SoftLabels.load(Path(stored)), Texts.read(Path(source))
        if not soft_labels.match(texts):
            raise InputError(f"expected {source} to be the file that {stored} labels, got another; find that file")
        if set(soft_labels.names) != set(labels.names):
            missing = set(labels.names) - set(soft_labels.names)
            remedy = f"make them with --types {','.join(labels.types)}"
            raise InputError(
                f"expected labels {list(labels.names)} in {stored}, got {list(soft_labels.names)}; "
                + ("choose a teacher with these labels" if missing else remedy)
            )
        examples += soft_labels.ordered(labels.names).examples(texts, pieces)
    return examples


class JointTraining(Run[FinetuneConfig]):
    """Trains every head, in packed passes in which words may exit.

    Args:
        config: settings.
        model: with a head after every layer.
        tokenizer: of the model.
        lowest: the lowest threshold drawn; see `SampledController.draw`.

    Raises:
        InputError: words to mask, and no token to mask them with.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        model: GatedModel,
        tokenizer: PreTrainedTokenizerBase,
        lowest: float = ENTROPIES[0],
    ) -> None:
        if config.mask and tokenizer.mask_token_id is None:
            raise InputError(
                f"expected a tokenizer with a mask token in {config.backbone!r} for --mask {config.mask}, got none; "
                "add --mask 0"
            )
        self.labels, self.tokenizer, self.lowest = model.labels, tokenizer, lowest
        model.encoder.set_dropout(config.dropout)
        super().__init__(config, model)

    def loss(self, examples: list[Example]) -> Tensor:
        """The joint loss, with some words masked and some windows pruned."""
        packed = pack(examples, self.accelerator.device, self.config.temperature)
        if self.config.mask:
            batch = mask_words(packed.batch, self.config.mask, self.tokenizer.mask_token_id)
            packed = replace(packed, batch=batch)
        layers = self.model.encoder.num_layers
        gates = range(1, layers)
        controller: Callable[[Gate], Decision] = all_stay
        context: Context = "drop"
        if self.config.pruned:
            controller = SampledController.draw(len(gates), len(examples), self.config.pruned, self.lowest)
            context = draw_context()
            if self.config.dense_share:
                targets = packed.targets.lerp(self._dense(packed.batch), self.config.dense_share)
                packed = replace(packed, targets=targets)
        memory = forward(self.model, packed.batch, gates, controller, context)
        return joint_loss(memory, packed, layers, self.config)

    @torch.no_grad()
    def _dense(self, batch: RaggedBatch) -> Tensor:
        """Label distributions ``(words, labels)`` of the dense pass."""
        found = forward(self.model, batch, (), None).heads[-1].logits.float().softmax(-1)
        torch.clear_autocast_cache()  # of weights without gradients, which PyTorch may reuse where gradients are needed
        return found

    def save(self, model: GatedModel, folder: Path) -> None:
        """Writes a model folder."""
        save_weights(folder, model, self.tokenizer)


class Finetuning(JointTraining):
    """Gold and soft labels at every head."""

    def __init__(self, config: FinetuneConfig) -> None:
        train, self.dev = config.corpora()
        types = self.dev.types
        if others := sorted({type_ for corpus in train for type_ in corpus.types} - set(types)):
            logger.warning(
                "learned as outside: %s; %s, the corpus for early stopping, has no such entities",
                ", ".join(others),
                f"{self.dev.name} {self.dev.split}",
            )
        if config.frozen:
            model = frozen_model(config.backbone, LabelSet(types))
        else:
            model = new_model(config.backbone, LabelSet(types), config.layers)
        if (config.pruned or config.frozen) and model.encoder.num_layers < 2:
            option = "--pruned" if config.pruned else "--frozen"
            raise InputError(f"expected two layers or more with {option}, got one; take more, or leave {option} out")
        tokenizer = load_tokenizer(config.backbone)
        self.pieces = WordPieces(tokenizer, model.encoder.max_rows)
        self.gold = [example for corpus in train for example in gold_examples(corpus, self.pieces, model.labels)]
        self.soft = soft_examples(config.soft_labels, self.pieces, model.labels)
        super().__init__(config, model, tokenizer)

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """Windows of similar length: all gold ones, and as many unlabelled ones as requested."""
        count = min(len(self.soft), round(len(self.gold) * self.config.soft_share))
        return make_batches([*self.gold, *rng.sample(self.soft, count)], self.config.max_rows, rng)

    @cached_property
    def data(self) -> str:
        """Digest of windows, including soft labels, and development documents."""
        return data_digest([*self.gold, *self.soft], self.dev)

    def score(self, folder: Path) -> float:
        """Mean F1 of the scored strategies."""
        engine = load_engine(folder, device=str(self.accelerator.device))
        return fmean(f1(engine, self.dev, engine.strategy(strategy)) for strategy in self.config.scored)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    return command_line("finetune", __doc__, FinetuneConfig, Finetuning, argv)


if __name__ == "__main__":
    sys.exit(main())
