"""Fine-tunes an encoder with a label head after every layer: ``python -m engine.training.finetune``.

By default it learns from gold labels, with a joint loss of all heads; with ``--soft-labels`` also from teachers' labels
of other texts (distillation). With ``--pruned`` a share of the windows is pruned during training, with random settings
(self-sampling). Training runs the same packed-row pass as tagging.
"""

from __future__ import annotations

import logging
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel

from engine.checkpoint import load_weights
from engine.command import as_command
from engine.errors import InputError
from engine.folder import GATES
from engine.model.encoders import encoder_class, shorten
from engine.model.gated import GatedModel
from engine.model.tokenizer import load_tokenizer, word_pieces
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces
from engine.training.data import Example, Texts, data_digest, gold_examples, make_batches
from engine.training.heads import HeadsConfig, HeadsTraining
from engine.training.loop import command_line, loading, option
from engine.training.soft_labels import SoftLabels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(HeadsConfig):
    """Settings of fine-tuning."""

    backbone: str = option("folder or hub id of a Hugging Face encoder, or a model folder with gates to train on")
    layers: int = option("number of the backbone's first layers to use; 0: all", 0, (0, 1000))
    soft_labels: str = option(
        "LABELS=TEXTS, several joined by commas: files of engine.training.soft_labels and the texts that they label", ""
    )
    soft_share: float = option("unlabelled windows in each epoch, as a multiple of the gold windows", 1.0, (0, 100))


def new_model(backbone: str, labels: LabelSet, layers: int) -> GatedModel:
    """Returns a model folder's model, or a pretrained encoder's first layers with new heads after each."""
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


def soft_examples(files: str, pieces: WordPieces, labels: LabelSet) -> list[Example]:
    """Loads windows with soft labels for a student with these labels; see `FinetuneConfig` for ``files``."""
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
        examples += soft_labels.ordered(labels.names).examples(texts.words, pieces)
    return examples


class Finetuning(HeadsTraining):
    """Training on gold and soft labels at every head."""

    config: FinetuneConfig

    def __init__(self, config: FinetuneConfig) -> None:
        train, self.dev = config.corpora()
        types = self.dev.types
        if others := sorted({type_ for corpus in train for type_ in corpus.types} - set(types)):
            logger.warning(
                "learned as outside: %s; %s, the corpus for early stopping, has no such entities",
                ", ".join(others),
                f"{self.dev.name} {self.dev.split}",
            )
        model = new_model(config.backbone, LabelSet(types), config.layers)
        if config.pruned and model.encoder.num_layers < 2:
            raise InputError("expected two layers or more with --pruned, got one; take more, or leave --pruned out")
        tokenizer = load_tokenizer(config.backbone)
        self.pieces = word_pieces(tokenizer, model.encoder.max_rows)
        self.gold = [example for corpus in train for example in gold_examples(corpus, self.pieces, model.labels)]
        self.soft = soft_examples(config.soft_labels, self.pieces, model.labels)
        self.data = data_digest([*self.gold, *self.soft], self.dev, self.pieces, model.encoder.config)
        super().__init__(config, model, tokenizer)

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """All gold windows and the requested number of unlabelled ones."""
        count = min(len(self.soft), round(len(self.gold) * self.config.soft_share))
        return make_batches([*self.gold, *rng.sample(self.soft, count)], self.config.max_rows, rng)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    if any(one.split("=")[0] == "--frozen" for one in (sys.argv[1:] if argv is None else argv)):
        raise InputError("expected no --frozen, got it; use python -m engine.training.accelerate CHECKPOINT --frozen")
    return command_line("finetune", __doc__, FinetuneConfig, Finetuning, argv)


if __name__ == "__main__":
    sys.exit(main())
