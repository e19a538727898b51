"""Real cases of what pruning caused and fixed, word by word: ``cases.json``. Contains corpus text: do not publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from engine.text.documents import Entity
from eval.analysis.comparison import Compared, Word, overlap
from eval.analysis.errors import Change, changes
from eval.schema import CASES_OF_A_KIND

AROUND = 4  # words shown on either side


class Cases:
    """Keeps the first cases of each kind: strategy, part and way."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._cases: dict[str, list[dict[str, Any]]] = {}

    def add(self, compared: Compared) -> None:
        """Collects one document's cases."""
        if compared.is_dense:
            return
        for change in changes(compared):
            kind = (compared.strategy, change.part, change.how)
            self._seen[kind] += 1
            if self._seen[kind] <= CASES_OF_A_KIND:
                self._cases.setdefault(compared.strategy, []).append(case(compared, change))

    def record(self) -> list[dict[str, Any]]:
        """For each strategy, the number of cases of each kind and the first of them, see `case`."""
        found = []
        for strategy, cases in self._cases.items():
            counts = sorted((part, how, count) for (name, part, how), count in self._seen.items() if name == strategy)
            found.append({"strategy": strategy, "counts": counts, "cases": cases})
        return found


def case(compared: Compared, change: Change) -> dict[str, Any]:
    """One case: the entities of gold, dense and the strategy, and the surrounding words with labels and gates."""
    near = [other for other in (*compared.found, *compared.found_by_dense) if overlap(change.entity, other)]
    shown = compared.words_of(change.entity, *near)
    first, end = max(0, shown[0] - AROUND), min(len(compared.run.words), shown[-1] + 1 + AROUND)
    names = compared.label_set.names
    sides = {"gold": compared.gold, "dense": compared.found_by_dense, compared.strategy: compared.found}
    labels = [compared.labels(entities) for entities in sides.values()]
    words = compared.run.words
    return {
        "part": change.part,
        "outcome": change.outcome,
        "how": change.how,
        "document": compared.document.id,
        "entities": {side: _near(change.entity, entities) for side, entities in sides.items()},
        "words": [_word(words[index], [names[label[index]] for label in labels]) for index in range(first, end)],
    }


def _near(entity: Entity, entities: Iterable[Entity]) -> list[tuple[str, str]]:
    return [(other.type, other.text) for other in entities if overlap(entity, other)]


def _word(word: Word, labels: list[str]) -> dict[str, Any]:
    return {"text": word.text, "labels": labels, "state": word.state, "layer": word.layer, "gates": word.gates}
