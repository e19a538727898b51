"""Real cases of what pruning caused and cured, word by word: ``cases.md``. It holds corpus text: not for publishing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.inspection.trace import WordTrace
from engine.text.documents import Entity
from eval.analysis.comparison import Compared, overlap
from eval.analysis.errors import Change, changes
from eval.render.markdown import escape

EACH = 3  # cases of each strategy, part and way
AROUND = 4  # words shown on either side


class Cases:
    """Keeps the first cases of each kind, as text."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._cases: dict[str, list[str]] = {}

    def add(self, compared: Compared) -> None:
        """Keeps what one document has to show."""
        if compared.is_dense:
            return
        for change in changes(compared):
            kind = (compared.strategy, change.part, change.how)
            self._seen[kind] += 1
            if self._seen[kind] <= EACH:
                self._cases.setdefault(compared.strategy, []).append(case(compared, change))

    def page(self) -> str:
        """The text of ``cases.md``."""
        parts = [
            "# Cases: what pruning caused and cured",
            f"The first {EACH} of each kind, in the order of the documents; what the kinds mean is said at the head of "
            "`eval/errors.py`. Scores are the gate heads' top probabilities.",
        ]
        for strategy, cases in self._cases.items():
            counts = [f"{count} {part} ({how})" for (name, part, how), count in self._seen.items() if name == strategy]
            parts += [f"## {strategy}", "In all: " + ", ".join(sorted(counts)) + ".", *cases]
        if not self._cases:
            parts.append("No strategy differs from dense in a way that gold could tell.")
        return "\n\n".join(parts) + "\n"


def case(compared: Compared, change: Change) -> str:
    """One case in Markdown: the entities of gold, dense and the strategy, and a table of the words around."""
    near = [other for other in (*compared.found, *compared.found_by_dense) if overlap(change.entity, other)]
    shown = compared.words_of(change.entity, *near)
    first, end = max(0, shown[0] - AROUND), min(len(compared.result.words), shown[-1] + 1 + AROUND)
    names = compared.label_set.names
    sides = {"gold": compared.gold, "dense": compared.found_by_dense, compared.strategy: compared.found}
    labels = [compared.labels(entities) for entities in sides.values()]
    lines = [
        f"### {change.part}: {change.outcome}, {change.how}",
        f"Document {escape(compared.document.id)}.",
        "\n".join(f"- {side}: {_listed(change.entity, entities)}" for side, entities in sides.items()),
    ]
    table = [
        f"| word | gold | dense | {compared.strategy} | left after layer | at the gates |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for index in range(first, end):
        word = compared.result.trace.words[index]
        cells = [escape(word.text), *(names[label[index]] for label in labels), _left(word), _gates(word)]
        table.append(f"| {' | '.join(cells)} |")
    return "\n\n".join([*lines, "\n".join(table)])


def _listed(entity: Entity, entities: Iterable[Entity]) -> str:
    near = [f"{other.type} “{escape(other.text)}”" for other in entities if overlap(entity, other)]
    return ", ".join(near) or "nothing"


def _left(word: WordTrace) -> str:
    return {"kept": "", "left": str(word.layer), "recovered": f"{word.layer}, came back"}[word.state]


def _gates(word: WordTrace) -> str:
    return ", ".join(f"{gate.layer}: {gate.label} {gate.probability:.2f}" for gate in word.gates)
