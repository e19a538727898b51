"""Pure tensor functions that score rows and words. No model, no state."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def normalised_entropy(probabilities: Tensor) -> Tensor:
    """Shannon entropy of label distributions ``(n, labels)`` → ``(n,)``, divided by log(labels), so 0–1."""
    return torch.special.entr(probabilities).sum(-1) / math.log(probabilities.shape[-1])


def neighbour_max(values: Tensor, window: Tensor, reach: int) -> Tensor:
    """Maximum of ``values`` ``(words,)`` over the words at most ``reach`` places away in the same ``window``."""
    result = values
    for shift in range(1, reach + 1):
        same = window[shift:] == window[:-shift]
        lowest = torch.full_like(values[shift:], -math.inf)
        right = torch.where(same, values[shift:], lowest)
        left = torch.where(same, values[:-shift], lowest)
        result = torch.cat((torch.maximum(result[:-shift], right), result[-shift:]))
        result = torch.cat((result[:shift], torch.maximum(result[shift:], left)))
    return result


def whole_spans(candidates: Tensor, labels: Tensor, window: Tensor) -> Tensor:
    """Those of the candidate words ``(words,)`` whose predicted entity consists of candidates only.

    Args:
        candidates: bool ``(words,)``.
        labels: IOB2 label of each word, int64 ``(words,)``: 0 outside, odd begin, even inside.
        window: window of each word.
    """
    continues = torch.zeros_like(candidates)
    type_ = (labels + 1) // 2
    inside = (labels[1:] > 0) & (labels[1:] % 2 == 0)
    continues[1:] = inside & (type_[1:] == type_[:-1]) & (window[1:] == window[:-1])
    span = (~continues).cumsum(0) - 1
    whole = torch.ones_like(candidates, dtype=torch.int8)
    whole = whole.scatter_reduce(0, span, candidates.to(torch.int8), "amin")
    return whole[span].bool()


def attention_statistics(qkv: Tensor, lengths: tuple[int, ...], heads: int) -> tuple[Tensor, Tensor]:
    """Attention that each row receives and entropy of the attention that it pays, float32 ``(rows,)`` each.

    Received: mean over heads and over the window's rows as queries, times the window's rows, so 1 on average.
    Entropy: of each head's distribution, divided by log(rows of the window), averaged over heads, 0–1.

    Args:
        qkv: fused queries, keys and values of one layer, ``(rows, 3 · hidden)``.
        lengths: rows of each window.
        heads: number of attention heads.
    """
    rows, size = len(qkv), qkv.shape[1] // 3
    query, key = qkv[:, : 2 * size].view(rows, 2, heads, -1).permute(1, 2, 0, 3)
    received, entropy = [], []
    for q, k in zip(query.split(lengths, dim=1), key.split(lengths, dim=1), strict=True):
        length = q.shape[1]
        if not length:
            continue
        attention = (q @ k.transpose(1, 2) / math.sqrt(q.shape[2])).float().softmax(-1)
        received.append(attention.mean((0, 1)) * length)
        entropy.append(torch.special.entr(attention).sum(-1).mean(0) / math.log(length))
    return torch.cat(received), torch.cat(entropy)


def pool_words(values: Tensor, word: Tensor, words: int) -> Tensor:
    """Maximum over each word's rows: ``(rows,)`` → ``(words,)``; word −1 is none, absent words get 0."""
    pooled = values.new_zeros(words)
    member = word >= 0
    return pooled.scatter_reduce(0, word[member], values[member], "amax", include_self=False)


def window_mean_std(values: Tensor, member: Tensor, window: Tensor, windows: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the member words' values in each window, ``(windows,)`` each (0 where none)."""
    zero = values.new_zeros(windows)
    count = zero.index_add(0, window, member.to(values.dtype)).clamp(min=1)
    kept = torch.where(member, values, values.new_zeros(()))
    mean = zero.index_add(0, window, kept) / count
    deviation = torch.where(member, values - mean[window], values.new_zeros(()))
    variance = zero.index_add(0, window, deviation.square()) / count
    return mean, variance.sqrt()


def lowest_per_window(values: Tensor, candidates: Tensor, window: Tensor, limit: Tensor) -> Tensor:
    """The candidates with the lowest values, at most ``limit`` in each window; ties go by position.

    Args:
        values: ``(words,)``.
        candidates: bool ``(words,)``.
        window: window of each word, ascending, int64 ``(words,)``.
        limit: int64 ``(windows,)``.
    """
    order = values.masked_fill(~candidates, math.inf).argsort(stable=True)
    order = order[window[order].argsort(stable=True)]
    counts = torch.bincount(window, minlength=len(limit))
    place = torch.arange(len(values), device=values.device) - (counts.cumsum(0) - counts)[window]
    rank = torch.empty_like(place)
    rank[order] = place
    return candidates & (rank < limit[window])
