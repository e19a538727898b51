"""The tab Watch: words exit from the text layer by layer, with a slider over the layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr

from demo.common.answer import checksum
from demo.common.differences import Compared, numbered_words
from demo.common.inputs import Inputs
from demo.common.markup import number_of, percent
from demo.common.word_view import build_word_view, cut_note, listbox, shown_words, type_colour
from engine import Engine, Result
from engine.pruning.trace import WordTrace

LABEL = "Watch"
NUMBERS = "The number under a word is the layer after which it exited. "
_EXITS = """<li><span class="word" data-state="exited" data-exit="2">word</span> exited after layer 2</li>
<li><span class="word" data-state="recovered" data-exit="2">word</span> exited after layer 2 and came back</li>
"""
_ENTITIES = """<li><span class="entity decided" data-colour="0" data-type="Type"><span class="word">word</span></span>
entity whose labels are decided (+ new, ↔ changed)</li>
<li><span class="entity decided" data-kind="lost" data-colour="0" data-type="− Type"><span
class="word">word</span></span> lost: only dense has it</li>
"""


def legend(*, has_gates: bool) -> str:
    """What the marks in the text mean; without gates no word exits."""
    computed = '<li><span class="word">word</span> computed in this layer</li>\n'
    return f'\n<ul class="legend">\n{computed}{_EXITS if has_gates else ""}{_ENTITIES}</ul>\n'


def layer_view(engine: Engine, one: Compared) -> str:
    """The text, the layers that computed each word, and the words of each layer, as they are after the last layer."""
    result, types = one.result, engine.labels.types
    layers = len(result.cost.rows)
    has_gates = engine.has_gates or result.judgement is not None
    return (
        f'<section class="layers" data-text="{checksum(result.text)}" data-layers="{layers}" '
        f'{"data-has-gates " * has_gates}style="--layers:{layers};--at:{layers}">'
        f'<div class="transport"><button type="button" class="play"><span class="icon-play"></span> Play</button>'
        f'<label>after layer <input type="range" min="0" max="{layers}" value="{layers}" step="1"></label>'
        f'<output class="at"></output></div>'
        f'<p class="pointed">{has_gates * NUMBERS}Point at a word, or move between words with the arrow keys.</p>'
        f"{listbox(one, 'The text, word by word', types)}"
        f"{legend(has_gates=has_gates)}"
        f"{_depths(result, layers, types)}{cut_note(result)}</section>"
    )


def words_of_layers(result: Result) -> Iterator[tuple[int, int, int]]:
    """Yields each layer with the number of words that went through it, and of those that exited after it.

    Words that came back count as both.
    """
    words = numbered_words(result)
    for layer in range(1, len(result.cost.rows) + 1):
        computed = sum(word.state != "exited" or word.layer >= layer for word in words)
        yield layer, computed, sum(word.state != "kept" and word.layer == layer for word in words)


def _depths(result: Result, layers: int, types: Sequence[str]) -> str:
    """The layers that computed each word, as bars, and the words of each layer, as a list."""
    total = max(1, len(result.words))
    numbers = "".join(f"<span>{layer}</span>" for layer in range(1, layers + 1))
    counts = "".join(
        f'<li data-layer="{layer}" data-words="{computed}" data-exits="{exited}">'
        f'<span class="unseen">layer {layer}: </span>{number_of(computed, "word")} '
        f"<small>{percent(computed / total)}</small></li>"
        for layer, computed, exited in words_of_layers(result)
    )
    bars = "".join(_bar(result, word, index, layers, types) for index, word in enumerate(shown_words(result)))
    return (
        '<h4>Words × layers: filled where a layer computed the word<span class="more"> (scrolls sideways)</span></h4>'
        '<div class="depths">'
        f'<div class="numbers" aria-hidden="true">{numbers}</div>'
        '<div class="bars" role="img" tabindex="0" aria-label="The layers that computed each word; the list beside it '
        f'counts them">{bars}</div>'
        f'<ol class="counts" aria-label="Words that each layer computed">{counts}</ol></div>'
    )


def _bar(result: Result, word: WordTrace, index: int, layers: int, types: Sequence[str]) -> str:
    entity = next((e for e in result.entities if e.start <= word.start < e.end), None) if word.label != "O" else None
    colour = f' data-colour="{type_colour(types, entity.type)}"' if entity else ""
    recovered = " data-recovered" if word.state == "recovered" else ""
    to = layers if word.state == "kept" else word.layer
    return f'<i data-word="{index}"{colour}{recovered} style="--to:{to}"></i>'


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    build_word_view(engine, inputs, tab, layer_view, Path(__file__).with_name("watch.js"))
