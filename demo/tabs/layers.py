"""The tab Layer by layer: a text while words leave it, with a slider over the layers."""

from __future__ import annotations

import gradio as gr

from demo.html.words import entity_colour, limit, listbox, shown_words
from demo.page.inputs import Inputs
from demo.tabs.view import build_view
from engine import Engine, Result
from engine.inspection.trace import WordTrace

LEGEND = """
<ul class="legend">
<li><span class="word">word</span> computed in this layer</li>
<li><span class="word" data-state="gone" data-left="2">word</span> left after layer 2</li>
<li><span class="word" data-state="back" data-left="2">word</span> left after layer 2, came back</li>
<li><span class="entity decided" data-colour="0" data-type="Type"><span class="word">word</span></span>
found: its label is decided</li>
</ul>
"""


def layer_view(result: Result) -> str:
    """The text, its words × layers and the words of each layer, as they stand after the last layer."""
    layers = len(result.cost.rows)
    return (
        f'<section class="layers" data-layers="{layers}" style="--layers:{layers};--at:{layers}">'
        f'<div class="transport"><button type="button" class="play"><span aria-hidden="true">▶</span> Play</button>'
        f'<label>after layer <input type="range" min="0" max="{layers}" value="{layers}" step="1"></label>'
        f'<output class="at"></output></div>{LEGEND}{listbox(result, "The text, word by word")}'
        f'<p class="pointed">Point at a word, or move between words with the arrow keys.</p>'
        f"{_strip(result, layers)}{limit(result)}</section>"
    )


def words_left(result: Result) -> list[int]:
    """How many words left after each layer, those that came back among them."""
    words = result.trace.words
    layers = range(1, len(result.cost.rows) + 1)
    return [sum(word.state != "kept" and word.layer == layer for word in words) for layer in layers]


def words_computed(result: Result) -> list[int]:
    """How many words each layer computed."""
    words, layers = result.trace.words, len(result.cost.rows)
    return [sum(word.state != "left" or word.layer >= layer for word in words) for layer in range(1, layers + 1)]


def _strip(result: Result, layers: int) -> str:
    total = len(result.trace.words)
    numbers = "".join(f"<span>{layer}</span>" for layer in range(1, layers + 1))
    counts = "".join(
        f'<li data-layer="{layer}" data-words="{count}" data-left="{left}">'
        f'<span class="unseen">layer {layer}: </span>{count} words '
        f"<small>{count / total:.0%}</small></li>"
        for layer, (count, left) in enumerate(zip(words_computed(result), words_left(result), strict=True), start=1)
    )
    bars = "".join(_bar(result, word, index, layers) for index, word in enumerate(shown_words(result)))
    return (
        '<h4>Words × layers: filled while a word is computed</h4><div class="strip">'
        f'<div class="numbers" aria-hidden="true">{numbers}</div>'
        '<div class="bars" role="img" tabindex="0" aria-label="For every word, the layers that computed it; the list '
        f'beside it counts them">{bars}</div>'
        f'<ol class="counts" aria-label="Words that each layer computes">{counts}</ol></div>'
    )


def _bar(result: Result, word: WordTrace, index: int, layers: int) -> str:
    entity = next((e for e in result.entities if e.start <= word.start < e.end), None) if word.label != "O" else None
    colour = f' data-colour="{entity_colour(result, entity.type)}"' if entity else ""
    to = layers if word.state == "kept" else word.layer
    back = " data-back" if word.state == "recovered" else ""
    return f'<i data-word="{index}"{colour}{back} style="--to:{to}"></i>'


def build_layers(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    build_view(engine, inputs, tab, layer_view, "words.js", "layers.js")
