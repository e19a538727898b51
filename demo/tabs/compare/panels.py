"""The texts in Compare: what each strategy found, how that differs from dense, and a table of all entities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from demo.common.compared import SIGNS, Compared, Difference
from demo.common.markup import escape, note
from demo.common.records import ENTITY_COLUMNS, csv_link, entity_row
from demo.common.words import type_colour
from engine.inspection.trace import WordTrace

SCRIPT = Path(__file__).with_suffix(".js")
LISTED = 500  # rows in the table; the file has all
COLUMNS = ("strategy", "model", *ENTITY_COLUMNS, "against dense")


def texts(compared: Sequence[Compared], types: Sequence[str]) -> str:
    """A text for each strategy, and a table of all entities.

    Args:
        compared: the strategies to show.
        types: the entity types, which decide the colours.
    """
    panels = "".join(_panel(one, one.name_among(compared), types) for one in compared)
    return (
        f'<section class="comparison"><div class="panels">{panels}</div>'
        '<label class="threshold">Hide entities with a score below <input type="range" min="0" max="1" step="0.01" '
        'value="0"><output></output></label>'
        f"{_table(compared)}</section>"
    )


def entity_rows(compared: Sequence[Compared]) -> list[tuple[str, str, int, int, str, str, float, str]]:
    """The rows of the table, in the order of ``COLUMNS``, including entities that a strategy lost."""
    return [
        (
            one.name,
            one.model,
            *entity_row(found.entity),
            "the reference" if one.is_reference else found.kind,
        )
        for one in compared
        for found in sorted(one.differences, key=lambda found: found.entity.start)
    ]


def _panel(one: Compared, name: str, types: Sequence[str]) -> str:
    text = one.result.text
    parts: list[str] = []
    position = 0
    for start, end, opening in _pieces(one, types):
        parts += [escape(text[position:start]), opening, escape(text[start:end]), "</span>"]
        position = end
    parts.append(escape(text[position:]))
    return (
        f'<div class="panel"><h3>{escape(name)}</h3><div class="found" role="region" tabindex="0" '
        f'aria-label="The text under {escape(name)}">{"".join(parts)}</div></div>'
    )


def _pieces(one: Compared, types: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yields start, end and opening tag of each piece that is an entity, was one under dense, or exited early."""
    found = {at: each for each in one.differences for at in range(each.entity.start, each.entity.end)}

    def group_of(word: WordTrace) -> Difference | str | None:
        if word.start in found:
            return found[word.start]
        return {"exited": f"exited after layer {word.layer}", "recovered": "came back"}.get(word.state)

    for group, members in groupby(one.result.trace.words, key=group_of):
        words = list(members)
        if isinstance(group, Difference):
            yield words[0].start, words[-1].end, _entity(group, words, types)
        elif group is not None:
            yield words[0].start, words[-1].end, f'<span class="{group.partition(" ")[0]}" data-tip="{group}">'


def _entity(found: Difference, words: Sequence[WordTrace], types: Sequence[str]) -> str:
    entity = found.entity
    tip = f"{entity.type}, score {entity.score:.3f}, {found.reason}"
    colour = type_colour(types, entity.type)
    return (
        f'<span class="mark {found.kind}" data-colour="{colour}" data-score="{entity.score:.4f}" '
        f'data-label="{SIGNS[found.kind]}{escape(entity.type)}" data-tip="{escape(tip)}">'
    )


def _table(compared: Sequence[Compared]) -> str:
    rows = entity_rows(compared)
    heads = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "".join(
        f'<tr data-score="{row[6]}">{"".join(f"<td>{escape(str(cell))}</td>" for cell in row)}</tr>'
        for row in rows[:LISTED]
    )
    cut = note(f"Showing the first {LISTED:,} of {len(rows):,} entities; the CSV has them all.") * (len(rows) > LISTED)
    return (
        '<details class="entities"><summary>All entities as a table</summary><p class="actions">'
        '<button type="button" class="copy">Copy</button> '
        f'<a class="download" download="entities.csv" href="{csv_link(COLUMNS, rows)}">Download as CSV</a></p>{cut}'
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of all entities"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )
