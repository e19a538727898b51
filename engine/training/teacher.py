"""Fine-tunes an encoder as a plain checkpoint, the teacher of a small one: ``python -m engine.training.teacher``.

Writes a Hugging Face token-classification model, without gates, of a family in `engine.model.encoders`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedModel

from engine.command import as_command
from engine.errors import InputError
from engine.model.encoders import encoder_class
from engine.model.huggingface import huggingface_logits
from engine.model.linear import LARGE_STEP
from engine.model.tokenizer import load_tokenizer, word_pieces
from engine.text.labels import LabelSet
from engine.training.data import Example, data_digest, gold_examples, pack, spread_outside
from engine.training.loop import Training, TrainingConfig, command_line, loading, option, shared_option


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(TrainingConfig):
    """Settings of a teacher's fine-tuning."""

    backbone: str = option("folder or hub id of a Hugging Face encoder")
    epochs: int = shared_option("epochs", 4)
    lr: float = shared_option("lr", 6e-5)
    max_rows: int = shared_option("max_rows", 1024)
    average: float = shared_option("average", 0.99)
    scheme: str = option("label scheme: iob2, or io, which has one label for each type", "iob2", choices=("iob2", "io"))


# Names in configurations for dropout on hidden states, and on attention weights, where it is slow.
DROPOUT = ("hidden_dropout_prob", "dropout", "embedding_dropout", "mlp_dropout")
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


def new_teacher(backbone: str, labels: LabelSet, dropout: float) -> PreTrainedModel:
    """Returns a pretrained encoder with a classifier for these labels; replaces a classifier for others.

    ``dropout`` applies to hidden states, not to attention.
    """
    with loading(backbone):
        config = AutoConfig.from_pretrained(backbone, trust_remote_code=False)
        encoder_class(config)
        for names, value in ((DROPOUT, dropout), (ATTENTION_DROPOUT, 0.0)):
            for name in names:
                if hasattr(config, name):
                    setattr(config, name, value)
        config.id2label = dict(enumerate(labels.names))
        config.label2id = {name: index for index, name in enumerate(labels.names)}
        model, info = AutoModelForTokenClassification.from_pretrained(
            backbone,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        wrong = [name for name, *_ in info["mismatched_keys"] if not name.startswith("classifier.")]
        if wrong:
            raise InputError(
                f"expected weights of the sizes in the configuration of {backbone!r}, got others for "
                f"{wrong[:3]}; restore its files"
            )
        return model


class TeacherTraining(Training):
    """Training on gold labels of first word pieces; each corpus teaches only the types that it annotates."""

    def __init__(self, config: TeacherConfig) -> None:
        train, self.dev = config.corpora()
        types = list(dict.fromkeys(type_ for corpus in train for type_ in corpus.types))
        labels = LabelSet(types) if config.scheme == "iob2" else LabelSet.from_names(["O", *types])
        model = new_teacher(config.backbone, labels, config.dropout)
        self.tokenizer = load_tokenizer(config.backbone)
        # RoBERTa-like models leave two positions unused.
        limit = min(self.tokenizer.model_max_length, model.config.max_position_embeddings - 2)
        pieces = word_pieces(self.tokenizer, limit)
        self.examples = [example for corpus in train for example in gold_examples(corpus, pieces, labels)]
        self.data = data_digest(self.examples, self.dev, pieces, model.config)
        super().__init__(config, model)

    def loss(self, examples: list[Example]) -> Tensor:
        """Cross-entropy."""
        packed = pack(examples, self.accelerator.device)
        logits = huggingface_logits(self.model, packed.batch, LARGE_STEP).float()
        return F.cross_entropy(logits, spread_outside(packed.targets, logits, packed.outside))

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Writes a plain checkpoint."""
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    return command_line("teacher", __doc__, TeacherConfig, TeacherTraining, argv)


if __name__ == "__main__":
    sys.exit(main())
