"""``cases.md``: real cases of what pruning caused and fixed, word by word, from ``cases.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.render.markdown import escape, table
from eval.schema import CASES_OF_A_KIND, labels


def cases_page(record: Sequence[Mapping[str, Any]]) -> str:
    """The text of ``cases.md``."""
    parts = [
        "# Cases: what pruning caused and fixed",
        f"The first {CASES_OF_A_KIND} of each kind, in the order of the documents; the head of "
        "`eval/analysis/errors.py` says what the kinds mean. Scores are the top probabilities of the label heads.",
    ]
    for of in record:
        counts = ", ".join(f"{count} {part} ({how})" for part, how, count in of["counts"])
        name = labels((one["strategy"], one["dtype"]) for one in record)[of["strategy"], of["dtype"]]
        parts += [f"## {escape(name)}", f"In all: {counts}."]
        parts += [_case(one) for one in of["cases"]]
    if not record:
        parts.append("No strategy differs from dense in a way that the gold shows.")
    return "\n\n".join(parts) + "\n"


def _case(case: Mapping[str, Any]) -> str:
    sides = [f"- {escape(side)}: {_entities(found)}" for side, found in case["entities"].items()]
    columns = ["word", *map(escape, case["entities"]), "exits after layer", "at the gates"]
    rows = [[escape(word["text"]), *map(escape, word["labels"]), _exit(word), _gates(word)] for word in case["words"]]
    return "\n\n".join(
        [
            f"### {case['part']}: {case['outcome']}, {case['how']}",
            f"Document {escape(case['document'])}.",
            "\n".join(sides),
            table(columns, rows),
        ]
    )


def _entities(found: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{escape(type_)} “{escape(text)}”" for type_, text in found) or "nothing"


def _exit(word: Mapping[str, Any]) -> str:
    return {"kept": "", "exited": f"{word['layer']}", "recovered": f"{word['layer']}, recovered"}[word["state"]]


def _gates(word: Mapping[str, Any]) -> str:
    return ", ".join(f"{layer}: {escape(label)} {probability:.2f}" for layer, label, probability in word["gates"])
