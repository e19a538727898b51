"""Markup of the page: escaping, messages, tables, explained terms, and parts of a result in words."""

import html
import re
from collections.abc import Iterable, Sequence

from engine.pruning.trace import WordTrace
from engine.text.labels import label_parts

_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})
TYPE_COLOURS = 6  # defined in the style sheet
_SURROGATES = re.compile("[\ud800-\udfff]")
_PREFIXES = {"O": "no entity", "B": "begin", "I": "inside", "E": "end", "S": "single"}
TERMS = {
    "F1": "Harmonic mean of precision and recall; an entity is correct if its span and its type are.",
    "BC5CDR": "PubMed abstracts in which experts marked chemicals and diseases; 500 of them are the test.",
    "BioRED": "PubMed abstracts in which experts marked six types of entities; 100 of them are the test.",
    "gate": "A layer after which words may exit. A small classifier there labels every word.",
    "computation": "Token-layers: tokens computed, summed over the layers, as a share of what dense computes. Of a "
    "cascade, the multiply-accumulates of both models.",
    "doubt": "How unsure the small model of a cascade is of a window's words, added up.",
    "operating point": "Stored settings: careful computes the most, fast the least, and balanced, the default, is in "
    "between. The reports say what they lose.",
    "recovery": "Words that exited are computed again where the result looks doubtful.",
}


def printable(text: str) -> str:
    """The text with lone surrogates, which JSON cannot carry, replaced one for one to keep offsets valid."""
    return _SURROGATES.sub("\ufffd", text)


def escape(text: str) -> str:
    """Escapes text for `gr.HTML`, which interprets markup, ``${…}`` and ``{{…}}``."""
    return html.escape(printable(text)).translate(_TEMPLATE)


def alert(message: str) -> str:
    """A message about something wrong or missing."""
    return f'<p class="alert" role="alert">{escape(message)}</p>'


def note(message: str) -> str:
    """A line that explains what is shown."""
    return f'<p class="note">{escape(message)}</p>'


def term(name: str) -> str:
    return (
        f'<button type="button" class="term">{escape(name)}<span class="tip" role="tooltip">'
        f"{escape(TERMS[name])}</span></button>"
    )


def html_table(label: str, region: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in a region that scrolls and that the keyboard reaches; a row's first value heads it.

    ``label``: what screen readers call the region. ``region``: its CSS class.
    """

    def line(values: Iterable[object]) -> str:
        first, *others = (escape(str(value)) for value in values)
        return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{other}</td>" for other in others)}</tr>'

    head = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<div class="table {region}" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(map(line, rows))}</tbody></table></div>"
    )


def type_colour(types: Sequence[str], type_: str) -> int:
    """The number of a type's colour in the style sheet: its position among the model's types."""
    return types.index(type_) % TYPE_COLOURS


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}\u00a0%"


def number_of(number: int, one: str, several: str = "") -> str:
    """A number with its noun; ``several`` is its plural if that does not end in ``s``."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def label_name(label: str) -> str:
    """A label in words: ``no entity``, ``begin Chemical``, ``end Chemical``, ``single Chemical``."""
    prefix, type_ = label_parts(label)
    return f"{_PREFIXES[prefix]} {type_}".rstrip()


def depth(word: WordTrace) -> str:
    """How far a word was computed."""
    if word.state == "kept":
        return "reached the last layer"
    exited = f"exited after layer {word.layer}"
    return f"{exited} and came back" if word.state == "recovered" else exited
