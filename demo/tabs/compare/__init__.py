"""The tab Compare: a table, and what each strategy found in the text and how that differs from dense."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import gradio as gr

from demo.common.differences import KINDS, SAID, SIGNS, Compared, Difference
from demo.common.inputs import Inputs
from demo.common.markup import escape, html_table, note, percent, type_colour
from demo.common.runs import Run, middle, span, speedup
from engine import Engine
from engine.pruning.strategy_names import DENSE
from engine.pruning.trace import WordTrace

LABEL = "Compare"
LISTED = 40  # differences of a strategy
_LEGEND = """
<ul class="found-legend" aria-label="Entities and words, against dense">
<li><span class="mark same" data-colour="0" data-label="Type">Name</span> as under all layers</li>
<li><span class="mark lost" data-colour="0" data-label="− Type">Name</span> only under all layers</li>
<li><span class="mark new" data-colour="0" data-label="+ Type">Name</span> only here</li>
<li><span class="mark changed" data-colour="0" data-label="↔ Type">Name</span> other border or type</li>
"""
_EXITS = """<li><span class="exited">word</span> exited early</li>
<li><span class="came">word</span> exited and came back</li>
"""


def legend(*, has_gates: bool) -> str:
    """What the marks in the text mean; without gates no word exits."""
    exits, layer = (_EXITS, " or its layer") if has_gates else ("", "")
    said = f"Point at a word to see its score{layer}. What differs from dense may be right: dense can err, too."
    return f"{_LEGEND}{exits}</ul>\n{note(said)}"


def texts(compared: Sequence[Compared], types: Sequence[str]) -> str:
    """A text for each strategy; ``types``: the entity types, which decide the colours."""
    return f'<section class="comparison panels">{"".join(_panel(outcome, types) for outcome in compared)}</section>'


def _panel(outcome: Compared, types: Sequence[str]) -> str:
    text, name = outcome.result.text, escape(outcome.label)
    parts: list[str] = []
    position = 0
    for start, end, tag in _marked_spans(outcome, types):
        parts += [escape(text[position:start]), tag, escape(text[start:end]), "</span>"]
        position = end
    parts.append(escape(text[position:]))
    return (
        f'<div class="panel"><h3>{name}</h3><p class="note">{_words(outcome)}</p><div class="found" role="region" '
        f'tabindex="0" aria-label="The text under {name}">{"".join(parts)}</div>{_differences(outcome)}</div>'
    )


def _words(outcome: Compared) -> str:
    words = outcome.result.trace.words
    last, came = (sum(word.state == state for word in words) for state in ("kept", "recovered"))
    back = f", {came} came back" if outcome.result.strategy.recovery else ""
    return f"{last} of {len(words)} words reach the last layer{back}: {percent(outcome.kept)} of the computation."


def _marked_spans(outcome: Compared, types: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yields start, end and opening tag of each span that is an entity here or in dense, or that exited early."""
    differing = {at: each for each in outcome.differences for at in range(each.entity.start, each.entity.end)}

    def group_of(word: WordTrace) -> Difference | str | None:
        if word.start in differing:
            return differing[word.start]
        return {"exited": f"exited after layer {word.layer}", "recovered": "came back"}.get(word.state)

    for group, members in groupby(outcome.result.trace.words, key=group_of):
        words = list(members)
        if isinstance(group, Difference):
            yield words[0].start, words[-1].end, _entity_tag(group, types)
        elif group is not None:
            yield words[0].start, words[-1].end, f'<span class="{group.partition(" ")[0]}" data-tip="{group}">'


def _entity_tag(difference: Difference, types: Sequence[str]) -> str:
    entity = difference.entity
    tip = f"{entity.type}, score {entity.score:.3f}, {difference.reason}"
    return (
        f'<span class="mark {difference.kind}" data-colour="{type_colour(types, entity.type)}" '
        f'data-label="{SIGNS[difference.kind]}{escape(entity.type)}" data-tip="{escape(tip)}">'
    )


def _differences(outcome: Compared) -> str:
    """The entities that are not as in dense, with the reason; empty if all are."""
    items = [
        f'<li class="{each.kind}"><b>{SIGNS[each.kind]}{escape(each.entity.text)}</b> '
        f"({escape(each.entity.type)}) {SAID[each.kind]}: {escape(each.reason)}</li>"
        for each in outcome.unlike[:LISTED]
    ]
    if len(outcome.unlike) > LISTED:
        items.append(f"<li>and {len(outcome.unlike) - LISTED} more</li>")
    return f'<ul class="differences">{"".join(items)}</ul>' * bool(items)


def comparison(compared: Sequence[Compared]) -> str:
    """A table with a row for each strategy."""
    heads = ("strategy", "computation", *(SAID[kind] for kind in KINDS), "ms", "times as fast")
    return html_table("Summary", "summary", heads, map(_row, compared))


def _row(outcome: Compared) -> list[object]:
    return [
        outcome.label,
        percent(outcome.kept),
        *("–" if outcome.is_dense else len(outcome.of_kind(kind)) for kind in KINDS),
        span(middle(outcome.runs_ms)) if outcome.runs_ms else "–",
        f"{span(speedup(outcome.runs_ms, outcome.full_ms))}×" if outcome.runs_ms and not outcome.is_dense else "–",
    ]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    gr.HTML(legend(has_gates=engine.runnable != [DENSE]))
    figures, marked = gr.HTML(), gr.HTML()

    def draw(run: Run, _: Compared) -> list[str]:
        views = comparison(run.compared), texts(run.compared, engine.labels.types)
        return [f'<div data-run="{run.number}">{view}</div>' for view in views]

    inputs.show(tab, draw, [figures, marked], timed=True)
