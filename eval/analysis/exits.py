"""Which gold entity words exit early, at which layer, and what becomes of them: ``exits.csv``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eval import schema
from eval.analysis.comparison import Compared


class Exits:
    """Counts words over documents, by strategy. A label is right if it equals gold's, B or I included."""

    def __init__(self) -> None:
        self._words: Counter[tuple[str, str]] = Counter()
        self._fates: Counter[tuple[str, int, str, str]] = Counter()
        self._avoidable: Counter[tuple[str, int, str]] = Counter()
        self._places: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {}

    def add(self, compared: Compared) -> None:
        """Counts one document; ignores strategies without gates."""
        findings = compared.findings
        if not findings.gates:
            return
        names = compared.label_set.names
        self._places[findings.strategy] = findings.gates, names
        gold, own, dense = (
            compared.labels(entities).tolist() for entities in (compared.gold, compared.found, compared.found_by_dense)
        )
        for word, wanted, got, got_by_dense in zip(findings.words, gold, own, dense, strict=True):
            self._words[findings.strategy, names[wanted]] += 1
            if word.state == "kept":
                continue
            where = findings.strategy, word.layer, names[wanted]
            verdict = "right" if got == wanted else "wrong"
            self._fates[*where, f"recovered_{verdict}" if word.state == "recovered" else f"{verdict}_at_gate"] += 1
            self._avoidable[where] += got != wanted == got_by_dense

    def rows(self) -> Iterator[schema.Exit]:
        """Builds a row for each strategy, gate and label, including ``O``.

        ``words`` have this gold label; ``exited`` of them exit after ``layer``, the sum of the four fates: they kept
        the gate's label, right or wrong, or were recovered and ended up right or wrong. ``dense_right`` counts the
        wrong ones that dense gets right.
        """
        for strategy, (gates, names) in self._places.items():
            for layer in gates:
                for label in (*names[1:], names[0]):
                    where = strategy, layer, label
                    fates = {fate: self._fates[*where, fate] for fate in schema.FATES}
                    words, exited = self._words[strategy, label], sum(fates.values())
                    yield {
                        "strategy": strategy,
                        "layer": layer,
                        "label": label,
                        "words": words,
                        "exited": exited,
                        "share_exited": exited / words if words else 0.0,
                        "right_at_gate": fates["right_at_gate"],
                        "wrong_at_gate": fates["wrong_at_gate"],
                        "recovered_right": fates["recovered_right"],
                        "recovered_wrong": fates["recovered_wrong"],
                        "dense_right": self._avoidable[where],
                    }
