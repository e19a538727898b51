"""The texts in Compare: what each strategy found, how that differs from dense, and a table of all entities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from demo.common.differences import SIGNS, Difference
from demo.common.markup import cells, escape, note, table
from demo.common.serialization import ENTITY_COLUMNS, csv_link, entity_row
from demo.common.word_view import type_colour
from demo.tabs.compare.comparison import ComparedStrategy
from engine.inspection.trace import WordTrace

SCRIPT = Path(__file__).with_suffix(".js")
LISTED = 500  # rows in the table; the file has all
COLUMNS = ("strategy", "model", *ENTITY_COLUMNS, "against dense")


def texts(compared: Sequence[ComparedStrategy], types: Sequence[str]) -> str:
    """A text for each strategy, and a table of all entities; ``types``: the entity types, which decide the colours."""
    panels = "".join(_panel(one, one.label_among(compared), types) for one in compared)
    return (
        f'<section class="comparison"><div class="panels">{panels}</div>'
        '<label class="threshold">Hide entities with a score below <input type="range" min="0" max="1" step="0.01" '
        'value="0"><output></output></label>'
        f"{_entities(compared)}</section>"
    )


def _panel(one: ComparedStrategy, name: str, types: Sequence[str]) -> str:
    text = one.result.text
    parts: list[str] = []
    position = 0
    for start, end, tag in _marked_spans(one, types):
        parts += [escape(text[position:start]), tag, escape(text[start:end]), "</span>"]
        position = end
    parts.append(escape(text[position:]))
    return (
        f'<div class="panel"><h3>{escape(name)}</h3><div class="found" role="region" tabindex="0" '
        f'aria-label="The text under {escape(name)}">{"".join(parts)}</div></div>'
    )


def _marked_spans(one: ComparedStrategy, types: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yields start, end and opening tag of each span that is an entity here or in dense, or that exited early."""
    found = {at: each for each in one.differences for at in range(each.entity.start, each.entity.end)}

    def group_of(word: WordTrace) -> Difference | str | None:
        if word.start in found:
            return found[word.start]
        return {"exited": f"exited after layer {word.layer}", "recovered": "came back"}.get(word.state)

    for group, members in groupby(one.result.trace.words, key=group_of):
        words = list(members)
        if isinstance(group, Difference):
            yield words[0].start, words[-1].end, _entity_tag(group, types)
        elif group is not None:
            yield words[0].start, words[-1].end, f'<span class="{group.partition(" ")[0]}" data-tip="{group}">'


def _entity_tag(found: Difference, types: Sequence[str]) -> str:
    entity = found.entity
    tip = f"{entity.type}, score {entity.score:.3f}, {found.reason}"
    return (
        f'<span class="mark {found.kind}" data-colour="{type_colour(types, entity.type)}" '
        f'data-score="{entity.score:.4f}" data-label="{SIGNS[found.kind]}{escape(entity.type)}" '
        f'data-tip="{escape(tip)}">'
    )


def entity_rows(compared: Sequence[ComparedStrategy]) -> list[tuple[str, str, int, int, str, str, float, str]]:
    """The rows of the table, in the order of ``COLUMNS``, including entities that a strategy lost."""
    return [
        (one.label, one.model, *entity_row(found.entity), "the reference" if one.is_reference else found.kind)
        for one in compared
        for found in sorted(one.differences, key=lambda found: found.entity.start)
    ]


def _entities(compared: Sequence[ComparedStrategy]) -> str:
    rows = entity_rows(compared)
    shown = (f'<tr data-score="{row[6]}">{cells(row)}</tr>' for row in rows[:LISTED])
    cut = note(f"Showing the first {LISTED:,} of {len(rows):,} entities; the CSV has them all.") * (len(rows) > LISTED)
    return (
        '<details class="entities"><summary>All entities as a table</summary><p class="actions">'
        '<button type="button" class="copy">Copy</button> '
        f'<a class="download" download="entities.csv" href="{csv_link(COLUMNS, rows)}">Download as CSV</a></p>{cut}'
        f"{table('Table of all entities', 'scroll', COLUMNS, shown)}</details>"
    )
