"""The model that is trained and saved: an encoder's weights with a label head after every layer."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import InputError
from engine.models.families import family_of
from engine.pytorch.operations import TorchOperations
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import position_ids


class Encoder(nn.Module):
    """An encoder that computes on packed rows; its parameters are those of the Hugging Face model, under their names.

    ``dropout`` is that of embeddings and of the outputs of attention and feed-forward, in training.

    Args:
        huggingface: a token-classification model, whose classifier is not used.
    """

    def __init__(self, huggingface: Any) -> None:
        super().__init__()
        self.huggingface = huggingface
        del huggingface.classifier
        self.config = huggingface.config
        self.family = family_of(self.config.to_dict())
        self.num_layers, self.max_rows = self.family.num_layers, self.family.max_rows
        self.hidden_size = self.family.hidden_size
        self.dropout = float(self.family.setting("hidden_dropout_prob"))

    def operations(self, batch: RaggedBatch, reading: frozenset[int] = frozenset()) -> TorchOperations:
        """Returns the operations that the family's formulas compute with; see `TorchOperations`."""
        weights = dict(self.huggingface.named_parameters()) | dict(self.huggingface.named_buffers())
        return TorchOperations(self.family, weights, batch, self.dropout if self.training else 0.0, reading)

    def embed(self, ops: TorchOperations) -> Tensor:
        """Hidden states ``(rows, hidden)`` before layer 1."""
        ids, first = ops.batch.input_ids, self.family.first_position
        positions = np.concatenate([position_ids(window_ids, first) for window_ids in ops.batch.by_window(ids)])
        inputs = (torch.from_numpy(part).to(ops.device) for part in (ids, positions))
        hidden: Tensor = self.family.embed(ops, *inputs)
        return hidden


class GatedModel(nn.Module):
    """An encoder, its linear label heads and the label set.

    ``heads`` maps a layer's number (as a string) to its head. The head of the last layer is the classifier, which is
    the only head of a plain checkpoint.
    """

    def __init__(self, encoder: Encoder, labels: LabelSet, *, gates: bool) -> None:
        super().__init__()
        self.encoder, self.labels = encoder, labels
        first = 1 if gates else encoder.num_layers
        numbers = range(first, encoder.num_layers + 1)
        self.heads = nn.ModuleDict({str(number): nn.Linear(encoder.hidden_size, len(labels)) for number in numbers})

    @property
    def has_gates(self) -> bool:
        """Whether every layer, not just the last, has a head."""
        return 1 < len(self.heads) == self.encoder.num_layers

    def logits(self, ops: TorchOperations, number: int, hidden: Tensor) -> Tensor:
        """Label logits ``(n, labels)`` of a layer's head for ``(n, hidden)``; raises an `InputError` unless finite."""
        features = self.encoder.family.features(ops, number, hidden)
        logits: Tensor = self.heads[str(number)](features)
        if not self.training and not torch.isfinite(logits).all():
            raise InputError("A label's score is NaN or infinity. Use dtype float32, or restore the weights.")
        return logits
