"""The bet before the race: which word needs the network longest? The page's answer is what the text's trace says.

``bet.js`` takes the bet, and shows the answer that is written for its word.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demo.common.differences import overlapping
from demo.common.markup import escape, number_of, type_colour
from demo.common.runs import Run
from engine import Engine, Result
from eval.render.text import join

SCRIPT = Path(__file__).with_name("bet.js")
SENTENCES = (  # invented; the page asks about the first that is fair
    "Coffee kept the patient awake after surgery, and morphine gave him nausea.",
    "Tea kept the patient awake after surgery for epilepsy, until diazepam was given.",
    "Wine kept the boy awake, not the methylphenidate that he took for hyperactivity.",
    "Lithium calmed her mania, but her hands began to shake.",
)
MAX_WINNERS = 3  # of a sentence


def depths(result: Result) -> np.ndarray:
    """The last layer that computed each word, ``(words,)``; words that came back went on to the end."""
    return np.where(result.paths.recovered, len(result.cost.rows), result.paths.layer)


def choices(result: Result) -> list[int]:
    """The words that one can bet on: all but punctuation."""
    return [index for index, word in enumerate(result.trace.words) if any(map(str.isalnum, word.text))]


def winners(result: Result) -> list[int]:
    """The words that went on longest."""
    deep = depths(result)
    return np.flatnonzero(deep == deep.max()).tolist()


def fair(engine: Engine) -> Result | None:
    """A sentence of which few words win under the default strategy, none of them punctuation; None if there is none."""
    for result in map(engine.tag, SENTENCES):  # mostly one
        won = winners(result)
        if len(won) <= MAX_WINNERS and set(won) <= set(choices(result)):
            return result
    return None


def reply(result: Result, index: int) -> str:
    """What the page answers to a bet on a word."""
    deep, won = depths(result), winners(result)
    said, end = f"You said {_named(result, index)}", f"layer {deep.max()}, where the pass ends"
    others = [_named(result, one) for one in won if one != index]
    if index in won:
        return f"{said}, rightly: it went on to {end}{f', and so did {join(others)}' if others else ', alone'}."
    went = f"{number_of(len(won), 'word')} went on to {end}: {join(others)}"
    return f"{said}: it left after layer {deep[index]}. {went}."


def _named(result: Result, index: int) -> str:
    return f"<em>{escape(result.trace.words[index].text)}</em>"


def challenge(result: Result, index: int) -> str:
    """What a link with a bet on a word asks; it names no word that wins."""
    if index in winners(result):
        return "Who sent you this link found it; can you?"
    return f"Who sent you this link said {_named(result, index)} and missed it; can you find it?"


def view(result: Result | None, types: Sequence[str], friend: int | None = None) -> str:
    """The sentence to bet on, with an answer for each of its words; empty if there is none.

    ``types``: the entity types, which decide the colours. ``friend``: the word in a link on which its sender bet.
    """
    if result is None:
        return ""
    deep, won, open_to = depths(result), winners(result), choices(result)
    parts, position = [], 0
    for index in open_to:
        start, end = result.words[index]
        found = next(iter(overlapping(result.entities, start, end)), None)
        entity = f' data-type="{escape(found.type)}" data-colour="{type_colour(types, found.type)}"' if found else ""
        parts.append(escape(result.text[position:start]))
        parts.append(
            f'<button type="button" class="word" data-word="{index}" data-strategy="{escape(result.strategy.name)}" '
            f'data-exit="{deep[index]}" aria-pressed="false" tabindex="{0 if index == open_to[0] else -1}"{entity}'
            f"{' data-last' * (index in won)}>{escape(result.text[start:end])}</button>"
        )
        position = end
    replies = (
        f'<p data-word="{index}" hidden>{reply(result, index)} <button type="button" class="share">'
        f"I {'found' if index in won else 'missed'} it; can you? Copy the link</button></p>"
        for index in open_to
    )
    asked = f" {challenge(result, friend)}" if friend is not None else ""
    return (
        '<section class="bet" aria-label="A bet"><p class="question"><strong>Which word needs the network longest?'
        f'</strong>{asked} <span class="open">Tap it. <button type="button" class="skip">Skip</button></span></p>'
        f'<p class="sentence" role="group" aria-label="The sentence">{"".join(parts)}'
        f'{escape(result.text[position:])}</p><div class="replies" role="status">{"".join(replies)}'
        '<p class="hint" hidden>The number below a word is the last layer that computed it. Tap a word to see why.</p>'
        "</div></section>"
    )


class Bet:
    """The bet on the page, which disappears when another text runs.

    ``sentence``: the one that the page opens on; empty if there is none to bet on.
    ``shown``: its markup. ``friend``: the word on which the sender of a link bet.
    """

    def __init__(self, engine: Engine) -> None:
        self._opening, self._types, self._strategy = fair(engine), engine.labels.types, engine.default_strategy
        self.sentence = self._opening.text if self._opening else ""
        script = SCRIPT.read_text(encoding="utf-8")
        self.shown = gr.HTML(view(self._opening, self._types), elem_classes="bet-block", js_on_load=script)
        self.friend = gr.State()

    def open(self, text: object, query: Mapping[str, str]) -> tuple[int | None, str]:
        """The sender's bet in a link, None if there is none, and the markup if the page opens on the sentence."""
        friend = self.read(query)
        elsewhere = isinstance(text, str) and text != self.sentence
        return friend, "" if elsewhere else view(self._opening, self._types, friend)

    def read(self, query: Mapping[str, str]) -> int | None:
        """The word on which the sender of a link bet; None if the link holds no bet."""
        open_to = choices(self._opening) if self._opening else ()
        return next((index for index in open_to if str(index) == query.get("bet")), None)

    def in_link(self, word: str, text: str) -> str:
        """What a link on a text holds of a bet on a word; a link on the sentence without a bet has an empty one."""
        if not self.sentence or text != self.sentence:
            return ""
        return f"&bet={'' if self.read({'bet': word}) is None else word}"

    def draw(self, run: Run | None, friend: int | None, before: str) -> Any:
        """The bet on a run's trace, or nothing if it is of another text or without the default strategy."""
        if run is None:
            return gr.skip()
        own = (one.result for one in run.compared if one.name == self._strategy)
        drawn = view(next(own, None) if run.text == self.sentence else None, self._types, friend)
        return gr.skip() if drawn == before else drawn
