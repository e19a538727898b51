"""The model that is trained, saved and run: an encoder with a label head after every layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.errors import InputError
from engine.models.sizes import Sizes
from engine.pytorch.encoders import Encoder
from engine.text.labels import LabelSet


class GatedModel(nn.Module):
    """An encoder, its linear label heads and the label set.

    ``heads`` maps a layer's number (as a string) to its head. The head of the last layer is the classifier, which is
    the only head of a plain checkpoint.
    """

    def __init__(self, encoder: Encoder, labels: LabelSet, *, gates: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        first = 1 if gates else encoder.num_layers
        numbers = range(first, encoder.num_layers + 1)
        self.heads = nn.ModuleDict({str(number): nn.Linear(encoder.hidden_size, len(labels)) for number in numbers})

    @property
    def has_gates(self) -> bool:
        """Whether every layer, not just the last, has a head."""
        return 1 < len(self.heads) == self.encoder.num_layers

    def logits(self, number: int, hidden: Tensor) -> Tensor:
        """Label logits ``(n, labels)`` of a layer's head for ``(n, hidden)``; raises an `InputError` unless finite."""
        logits: Tensor = self.heads[str(number)](self.encoder.features(number, hidden))
        if not self.training and not torch.isfinite(logits).all():
            raise InputError(
                f"expected finite scores of labels after layer {number}, got NaN or infinity: activations overflowed; "
                "use the dtype float32, or restore the weights"
            )
        return logits

    @property
    def sizes(self) -> Sizes:
        """What costs depend on."""
        encoder, head = self.encoder, self.encoder.hidden_size * len(self.labels)
        layers = range(1, encoder.num_layers + 1)
        return Sizes(
            hidden=encoder.hidden_size,
            row_macs=tuple(map(encoder.row_macs, layers)),
            head_macs=tuple(head + encoder.features_macs(number) for number in layers),
        )
