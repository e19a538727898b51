"""Signals of words: pure functions of arrays."""

import math

import numpy as np

_TINY = np.finfo(np.float32).tiny


def normalised_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy of label distributions ÷ log(labels), 0–1: ``(n, labels)`` → ``(n,)``."""
    logarithms = np.log(np.maximum(probabilities, _TINY))
    return np.einsum("...i,...i->...", probabilities, logarithms) / -math.log(probabilities.shape[-1])


def neighbour_max(values: np.ndarray, window: np.ndarray, reach: int) -> np.ndarray:
    """Maximum of ``values`` ``(words,)`` over the words at most ``reach`` words away in the same ``window``."""
    result = values.copy()
    for shift in range(1, reach + 1):
        same = window[shift:] == window[:-shift]
        np.maximum(result[:-shift], values[shift:], out=result[:-shift], where=same)
        np.maximum(result[shift:], values[:-shift], out=result[shift:], where=same)
    return result


def attention_of(attention: np.ndarray, word: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attention entropy and received attention of the words of a window, from the mean over heads.

    CLS and SEP, the first and the last row, are left out, and rows sum to 1 again.

    Args:
        attention: ``(rows, rows)``; a row is what one word piece attends to.
        word: int64 ``(rows,)``, the word of each row, ascending but for CLS and SEP.

    Returns:
        For each word that has rows, in order: the entropy of what its first piece attends to ÷ log(word pieces), 0–1;
        and the attention that its pieces receive from all, which for a word of one piece is 1 on average.
    """
    pieces = word[1:-1]
    among = attention[1:-1, 1:-1]
    among = among / among.sum(1, keepdims=True)
    first = np.flatnonzero(np.concatenate(([True], pieces[1:] != pieces[:-1])))
    rows = among[first]
    entropy = -(rows * np.log(np.maximum(rows, _TINY))).sum(1) / max(math.log(max(len(pieces), 1)), 1e-6)
    return entropy, np.add.reduceat(among.sum(0), first)
