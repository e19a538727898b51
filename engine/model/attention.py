"""Attention on packed rows, one window at a time, and attention weights for statistics.

On CPUs this is up to 2.5 times as fast as padding windows to one length, because nothing is masked or copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.model.packing import RaggedBatch

T = TypeVar("T")
BLOCK_WEIGHTS = 2**24  # weights per block, 64 MB; affects results only through the order of a sum


@dataclass(frozen=True, eq=False)
class QueryGroup:
    """Queries that attend to the same keys.

    ``queries``: range among the active rows.
    ``keys``: range among all rows.
    ``bias``: ``(heads or 1, queries, keys)``, added to the scores; −∞ where a query must not see a key.
    """

    queries: slice
    keys: slice
    bias: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Attention:
    """The inputs of one layer's attention, without values; `windows` computes its weights on demand.

    ``query``: ``(active rows, hidden)``.
    ``key``: ``(rows, hidden)``.
    ``query_groups``: groups that cover all queries in order; ``None`` if each row sees its whole window without bias.
    ``divisor``: divides the scores, by default √(head size).
    """

    query: Tensor
    key: Tensor
    batch: RaggedBatch
    heads: int
    query_groups: Sequence[QueryGroup] | None = None
    divisor: float | None = None

    def apply(self, query: Tensor, value: Tensor) -> Tensor:
        """Attention output ``(rounded rows, hidden)`` for the active rows and those added by rounding.

        ``query`` holds these rows, and ``value`` all rows. The output of rows added by rounding is meaningless.
        """
        q, k, v = (part.view(1, len(part), self.heads, -1).transpose(1, 2) for part in (query, self.key, value))
        if self.query_groups is None:
            outputs = self._apply_to_windows(q, k, v)
        else:
            outputs = [_apply_to_group(q, k, v, group, self.divisor) for group in self.query_groups]
            if added := len(query) - sum(map(len, outputs)):
                outputs.append(query.new_zeros(added, query.shape[1]))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _apply_to_windows(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        computed = [rows for rows in self.batch.computed if rows]
        visible = [rows for rows in self.batch.lengths if rows]
        computed[-1] += query.shape[2] - sum(computed)  # rows added by rounding attend to the last window
        parts = (
            part.split_with_sizes(lengths, dim=2)
            for part, lengths in ((query, computed), (key, visible), (value, visible))
        )
        return [_rows(F.scaled_dot_product_attention(q, k, v)) for q, k, v in zip(*parts, strict=True)]

    @property
    def num_weights(self) -> int:
        """Number of attention weights: heads × active rows × rows, summed over windows."""
        return self.heads * sum(of * among for of, among in zip(self.batch.computed, self.batch.lengths, strict=True))

    def windows(self) -> Iterator[Iterator[Tensor]]:
        """Yields the attention weights of each unfinished window, in blocks of its active rows.

        A block is float32 ``(heads, some active rows, the window's rows)``, computed when it is requested.
        """
        query, key = (part.view(len(part), self.heads, -1).transpose(0, 1) for part in (self.query, self.key))
        whole = window_query_groups(self.batch)
        query_groups = iter(whole if self.query_groups is None else self.query_groups)
        for window in whole:
            own = [next(query_groups)]
            while own[-1].queries.stop < window.queries.stop:
                own.append(next(query_groups))
            yield self._blocks(query, key, window.keys, own)

    def _blocks(self, query: Tensor, key: Tensor, keys: slice, query_groups: Sequence[QueryGroup]) -> Iterator[Tensor]:
        divisor = self.divisor or math.sqrt(query.shape[2])
        step = max(BLOCK_WEIGHTS // (self.heads * (keys.stop - keys.start)), 1)
        for group in query_groups:
            beside = (group.keys.start - keys.start, keys.stop - group.keys.stop)
            first, last = group.queries.start, group.queries.stop
            for start in range(first, last, step):
                end = min(start + step, last)
                scores = (query[:, start:end] @ key[:, group.keys].transpose(1, 2) / divisor).float()
                if group.bias is not None:
                    scores = scores + group.bias[:, start - first : end - first]
                yield F.pad(scores.softmax(-1), beside) if any(beside) else scores.softmax(-1)


def window_query_groups(batch: RaggedBatch) -> list[QueryGroup]:
    """One group of queries for each unfinished window."""
    queries, keys = (list(accumulate(lengths, initial=0)) for lengths in (batch.computed, batch.lengths))
    return [
        QueryGroup(slice(queries[index], queries[index + 1]), slice(keys[index], keys[index + 1]))
        for index, length in enumerate(batch.lengths)
        if length
    ]


def _apply_to_group(query: Tensor, key: Tensor, value: Tensor, group: QueryGroup, divisor: float | None) -> Tensor:
    """Attention of one group; queries, keys and values are ``(1, heads, rows, head size)``."""
    q, k, v = query[:, :, group.queries], key[:, :, group.keys], value[:, :, group.keys]
    bias = None if group.bias is None else group.bias.to(q.dtype).unsqueeze(0)
    return _rows(F.scaled_dot_product_attention(q, k, v, bias, scale=None if divisor is None else 1 / divisor))


def _rows(output: Tensor) -> Tensor:
    return output.transpose(1, 2).reshape(output.shape[2], -1)


def positions(batch: RaggedBatch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Positions in the window of the active rows and of all rows, int64 ``(n,)`` each."""
    rows = torch.from_numpy(batch.position).to(device)
    return (rows if batch.active is None else torch.from_numpy(batch.position[batch.active]).to(device)), rows


def once(batch: RaggedBatch, key: Hashable, make: Callable[[], T]) -> T:
    """Calls ``make`` once for these rows and caches the result with the batch for later layers."""
    key = (key, torch.is_inference_mode_enabled())  # inference-mode tensors cannot be used with gradients
    if key not in batch.cached:
        batch.cached[key] = make()
    return batch.cached[key]


def state(*weights: Tensor) -> Hashable:
    """Returns part of a cache key that changes with the weights (except through ``.data``) and with autocast."""
    casts = torch.is_autocast_enabled(weights[0].device.type)
    return casts, *((weight.data_ptr(), weight.dtype, weight._version) for weight in weights)
