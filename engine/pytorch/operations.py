"""The operations of family formulas in PyTorch, on packed rows ``(rows, size)`` of several windows."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.activations import ACT2FN

from engine.models.family import Family, Operations
from engine.pytorch.packing import RaggedBatch


class TorchOperations(Operations):
    """Evaluates the operations of a family for one batch.

    Args:
        weights: the checkpoint's tensors by name.
        dropout: its probability; 0 outside training.
        reading: layers whose attention is kept in ``attention``.
    """

    def __init__(
        self,
        family: Family,
        weights: Mapping[str, Tensor],
        batch: RaggedBatch,
        dropout: float = 0.0,
        reading: frozenset[int] = frozenset(),
    ) -> None:
        self.family, self.weights, self._dropout, self.reading = family, weights, dropout, reading
        self.device = next(iter(weights.values())).device
        self.attention: dict[int, list[np.ndarray]] = {}  # layer → for each window the mean over heads, (rows, rows)
        self.take_batch(batch)

    def take_batch(self, batch: RaggedBatch) -> None:
        """Goes on with other rows."""
        self.batch = batch
        self.move(torch.from_numpy(batch.position).to(self.device))

    def weight(self, name: str) -> Tensor:
        return self.weights[name]

    def embedding(self, name: str, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weights[f"{name}.weight"])

    def linear(self, values: Tensor, *modules: str, per_row: bool = False, exact: bool = False) -> Any:
        """See `Operations`; nothing is quantised here."""
        outputs = [
            F.linear(values, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")) for name in modules
        ]
        return outputs[0] if len(modules) == 1 else tuple(outputs)

    def norm(self, values: Tensor, module: str, epsilon: float) -> Tensor:
        weight, bias = self.weights[f"{module}.weight"], self.weights.get(f"{module}.bias")
        return F.layer_norm(values, values.shape[-1:], weight, bias, epsilon)

    def activation(self, name: str, values: Tensor) -> Tensor:
        activated: Tensor = ACT2FN[name](values)
        return activated

    def dropout(self, values: Tensor) -> Tensor:
        return F.dropout(values, self._dropout) if self._dropout else values

    def attend(self, number: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """See `Operations`; window by window, because nothing is masked or copied then."""
        family = self.family
        outputs: list[Tensor] = []
        readable: list[np.ndarray] = []
        rows = (query.to(value.dtype), key.to(value.dtype), value, self.position)
        windows = zip(*(part.split_with_sizes(self.batch.lengths) for part in rows), strict=True)
        for window, (q, k, v, position) in enumerate(windows):
            relation = self.cached((family.kind(number), window), partial(self._relation, number, position))
            bias = None if relation is None else family.bias(self, number, q, k, relation)
            q, k, v = (self.heads(part, family.num_heads)[None] for part in (q, k, v))
            if number in self.reading:
                scores = (q @ k.transpose(-1, -2)).float() * family.score_scale
                probabilities = (scores if bias is None else scores + bias).softmax(-1)
                readable.append(probabilities[0].mean(0).detach().numpy(force=True))
            mask = None if bias is None else bias.to(q.dtype)[None]
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=family.score_scale)
            outputs.append(attended[0].transpose(0, 1).flatten(1))
        self.attention[number] = readable
        return torch.cat(outputs)

    @torch.no_grad()  # what depends on positions alone stays as pretrained: MPNet's bias has a gradient for each pair
    def _relation(self, number: int, position: Tensor) -> Any:
        return self.family.relation(self, number, position)

    def heads(self, values: Tensor, heads: int) -> Tensor:
        return values.unflatten(-1, (heads, -1)).transpose(0, 1)

    def split(self, values: Tensor, parts: int) -> Any:
        return values.chunk(parts, dim=-1)

    def rotated(self, values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        left, right = self.split(values.unflatten(-1, (self.family.num_heads, -1)), 2)
        cosine, sine = cosine[:, None], sine[:, None]
        return torch.cat((left * cosine - right * sine, right * cosine + left * sine), -1).flatten(-2)

    def unsqueeze(self, values: Tensor, axis: int) -> Tensor:
        return values.unsqueeze(axis)

    def take(self, table: Tensor, index: Tensor, axis: int) -> Tensor:
        return table[index] if axis == 0 else table[:, index]

    def gather(self, values: Tensor, index: Tensor) -> Tensor:
        return values.gather(2, index.expand(len(values), -1, -1))

    def product(self, left: Tensor, right: Tensor, *, transposed: bool = False) -> Tensor:
        return left @ (right.transpose(-1, -2) if transposed else right)

    def transpose(self, values: Tensor) -> Tensor:
        return values.transpose(-1, -2)

    def constant(self, values: Any) -> Tensor:
        return torch.as_tensor(values, device=self.device)

    def number(self, values: Tensor) -> Tensor:
        return values.float()
