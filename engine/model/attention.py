"""Attention on packed rows, one window at a time, and attention weights for statistics.

On CPUs this is up to 2.5 times as fast as padding windows to one length, because nothing is masked or copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, starmap
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

    ``queries``, ``keys``: ranges of rows.
    ``bias``: ``(heads or 1, queries, keys)``, added to the scores; −∞ where a query must not see a key.
    """

    queries: slice
    keys: slice
    bias: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Attention:
    """The inputs of one layer's attention, without values; `windows` computes its weights on demand.

    ``query``, ``key``: ``(rows, hidden)``.
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
        """Attention output ``(rounded rows, hidden)``; that of rows added by rounding is meaningless.

        ``query`` holds the rounded rows, and ``value`` the others alone.
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
        lengths = [rows for rows in self.batch.lengths if rows]
        added = query.shape[2] - len(self.batch)  # rows added by rounding attend to the last window
        queries = [*lengths[:-1], lengths[-1] + added]
        parts = (
            part.split_with_sizes(sizes, dim=2) for part, sizes in ((query, queries), (key, lengths), (value, lengths))
        )
        return [_rows(F.scaled_dot_product_attention(q, k, v)) for q, k, v in zip(*parts, strict=True)]

    @property
    def num_weights(self) -> int:
        """Number of attention weights: heads × rows², summed over windows."""
        return self.heads * sum(rows**2 for rows in self.batch.lengths)

    def windows(self) -> Iterator[Iterator[Tensor]]:
        """Yields the attention weights of each unfinished window, in blocks of its rows.

        A block is float32 ``(heads, some rows, the window's rows)``, computed when it is requested.
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
    ends = accumulate(length for length in batch.lengths if length)
    return [QueryGroup(rows, rows) for rows in starmap(slice, pairwise((0, *ends)))]


def _apply_to_group(query: Tensor, key: Tensor, value: Tensor, group: QueryGroup, divisor: float | None) -> Tensor:
    """Attention of one group; queries, keys and values are ``(1, heads, rows, head size)``."""
    q, k, v = query[:, :, group.queries], key[:, :, group.keys], value[:, :, group.keys]
    bias = None if group.bias is None else group.bias.to(q.dtype).unsqueeze(0)
    return _rows(F.scaled_dot_product_attention(q, k, v, bias, scale=None if divisor is None else 1 / divisor))


def _rows(output: Tensor) -> Tensor:
    return output.transpose(1, 2).reshape(output.shape[2], -1)


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
