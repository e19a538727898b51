"""The words of a text to choose from, and the windows of a cascade."""

from collections.abc import Sequence

from demo.common.differences import SIGNS, Compared
from demo.common.markup import describe_word, escape, note, table, type_colour
from engine import Result
from engine.pruning.trace import WordTrace

MAX_WORDS = 2000  # browsers take too long to lay out more
WINDOW_CHARACTERS = 60  # of a window's text


def cut_note(result: Result) -> str:
    """A line saying that a view does not show all words; empty if it does."""
    words = len(result.words)
    return note(f"Showing the first {MAX_WORDS:,} of {words:,} words.") if words > MAX_WORDS else ""


def listbox(outcome: Compared, name: str, types: Sequence[str]) -> str:
    """The words as options of a list box, with the text's white space between them and frames around entities.

    An option has ``data-state`` (``kept``, ``exited`` or ``recovered``) and, unless it was kept, ``data-exit``, the
    layer after which it exited. An entity has ``data-kind`` and ``data-type``.

    ``types``: entity types, which decide the colours.
    """
    result, words = outcome.result, outcome.result.trace.words[:MAX_WORDS]
    entities = {each.entity.start: each for each in outcome.differences}
    parts: list[str] = []
    position = end = 0
    for index, word in enumerate(words):
        if end and word.start >= end:
            parts.append("</span>")
            end = 0
        parts.append(escape(result.text[position : word.start]))
        if each := entities.get(word.start):
            end = each.entity.end
            parts.append(
                f'<span class="entity" role="presentation" data-kind="{each.kind}" '
                f'data-type="{SIGNS[each.kind]}{escape(each.entity.type)}" '
                f'data-colour="{type_colour(types, each.entity.type)}">'
            )
        parts.append(_option(word, index))
        position = word.end
    if end:
        parts.append("</span>")
    return f'<div class="words" role="listbox" aria-orientation="horizontal" aria-label="{name}">{"".join(parts)}</div>'


def _option(word: WordTrace, index: int) -> str:
    exit_ = f' data-exit="{word.layer}"' if word.state != "kept" else ""
    text = escape(word.text)
    return (
        f'<span class="word" role="option" aria-selected="false" tabindex="{-1 if index else 0}" data-word="{index}" '
        f'data-state="{word.state}"{exit_} aria-label="{text}: {escape(describe_word(word))}">{text}</span>'
    )


def windows(result: Result) -> str:
    """A table of the windows that the small model of a cascade judged, and why the large one read them; else empty."""
    if not result.windows:
        return ""
    threshold, spans = f"{result.strategy.settings()['threshold']:.2f}", result.words
    rows = []
    for window in result.windows:
        text = result.text[spans[window.first][0] : spans[window.end - 1][1]] if window.end > window.first else ""
        shown = text if len(text) <= WINDOW_CHARACTERS else f"{text[:WINDOW_CHARACTERS]}…"
        why = f"read, because {threshold} or more" if window.read else f"not read, because below {threshold}"
        rows.append([shown, window.end - window.first, f"{window.doubt:.2f}", why])
    small = result.passes[0].sizes.layers
    about = note(f"Layers 1 to {small} are those of the small model, which reads every window; the large one's follow.")
    heads = ("window", "words", "doubt", "the large model")
    return table("Windows that the small model judged", "summary", heads, rows) + about
