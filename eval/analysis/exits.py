"""Counts which gold entity words exit early, after which layer, and whether their final label is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eval import schema
from eval.analysis import DocumentComparison


class Exits:
    """Counts words over documents, by strategy. A label is right if it equals the gold one, B or I included."""

    def __init__(self) -> None:
        self._words: Counter[tuple[str, str]] = Counter()
        self._fates: Counter[tuple[str, int, str, str]] = Counter()
        self._dense_right: Counter[tuple[str, int, str]] = Counter()
        self._gates_and_labels: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {}

    def add(self, comparison: DocumentComparison) -> None:
        """Counts one document; ignores strategies without gates."""
        strategy, names = comparison.strategy, comparison.label_set.names
        if not comparison.gates:
            return
        self._gates_and_labels[strategy] = comparison.gates, names
        gold, own, dense = (
            comparison.labels(entities).tolist()
            for entities in (comparison.gold, comparison.found, comparison.found_by_dense)
        )
        for word, wanted, got, got_by_dense in zip(comparison.words, gold, own, dense, strict=True):
            self._words[strategy, names[wanted]] += 1
            if word.state == "kept":
                continue
            place = strategy, word.layer, names[wanted]
            verdict = "right" if got == wanted else "wrong"
            fate = f"recovered_{verdict}" if word.state == "recovered" else f"{verdict}_at_gate"
            self._fates[*place, fate] += 1
            self._dense_right[place] += got != wanted == got_by_dense

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yields the cells of a row for each strategy, gate and label, ``O`` included, see `eval.schema.Exit`.

        ``words`` have this gold label. ``exited`` of them exit after ``layer``: they keep the gate's label, right or
        wrong, or are recovered and end up right or wrong. ``dense_right`` counts the wrong ones that dense gets right.
        """
        for strategy, (gates, names) in self._gates_and_labels.items():
            for layer in gates:
                for label in (*names[1:], names[0]):
                    place = strategy, layer, label
                    fates = [self._fates[*place, fate] for fate in schema.FATES]
                    words, exited = self._words[strategy, label], sum(fates)
                    share = exited / words if words else 0.0
                    yield *place, words, exited, share, *fates, self._dense_right[place]
