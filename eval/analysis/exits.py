"""Which gold entity words left, at which layer, and what became of them: ``exits.csv``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from eval.analysis.comparison import Compared

FATES = ("right_at_gate", "wrong_at_gate", "back_right", "back_wrong")
COLUMNS = ("strategy", "layer", "label", "words", "left", "share_left", *FATES, "dense_right")


class Exits:
    """Counts words over documents, strategy by strategy. Right is the gold label of the word, type and B or I."""

    def __init__(self) -> None:
        self._words: Counter[tuple[str, str]] = Counter()
        self._fates: Counter[tuple[str, int, str, str]] = Counter()
        self._avoidable: Counter[tuple[str, int, str]] = Counter()
        self._places: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {}

    def add(self, compared: Compared) -> None:
        """Counts one document; strategies without gates are passed over."""
        strategy = compared.result.strategy
        if not strategy.gates:
            return
        names = compared.label_set.names
        self._places[strategy.name] = strategy.gates, names
        gold, own, dense = (
            compared.labels(entities).tolist() for entities in (compared.gold, compared.found, compared.found_by_dense)
        )
        for word, wanted, got, got_by_dense in zip(compared.result.trace.words, gold, own, dense, strict=True):
            self._words[strategy.name, names[wanted]] += 1
            if word.state == "kept":
                continue
            where = strategy.name, word.layer, names[wanted]
            verdict = "right" if got == wanted else "wrong"
            self._fates[*where, f"back_{verdict}" if word.state == "recovered" else f"{verdict}_at_gate"] += 1
            self._avoidable[where] += got != wanted == got_by_dense

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each strategy, gate and label, ``O`` for comparison.

        ``words`` have the label in the gold; ``left`` of them left after the ``layer``, which is the sum of the four
        fates: they kept the gate's label, right or wrong, or came back and were then right or wrong. ``dense_right``
        are those of the wrong ones that dense had right.
        """
        for strategy, (gates, names) in self._places.items():
            for layer in gates:
                for label in (*names[1:], names[0]):
                    where = strategy, layer, label
                    fates = {fate: self._fates[*where, fate] for fate in FATES}
                    words, left = self._words[strategy, label], sum(fates.values())
                    row = {"strategy": strategy, "layer": layer, "label": label, "words": words, "left": left}
                    share = {"share_left": left / words if words else 0.0}
                    yield row | share | fates | {"dense_right": self._avoidable[where]}
