"""The result card above the tabs, in its states: how much less computation, which entities changed, in what time."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Literal

from demo.common.differences import CHANGED, LOST, NEW, SAID, SAME, Compared
from demo.common.limits import MAX_CHARACTERS
from demo.common.markup import alert, escape, number_of, percent, term
from demo.common.runs import FEW, Run, middle, span, speedup

OUT_OF_DATE = "Out of date: the text has changed. Press Run or Ctrl+Enter."
CUT = f"The text was cut at {MAX_CHARACTERS:,} characters, this page's limit; engine.tag has no limit."
UNTIMED = "Cancelled: no times were measured."
NAMED = 5  # entities of one kind
FOREIGN = "The model was trained on English texts: in another language it finds little, or guesses."
ENGLISH = re.compile(r"\b(?:the|of|and|to|with|were|are|for|that|by|from|this|which|after|had|has)\b", re.IGNORECASE)
OTHER = re.compile(  # frequent in German, French, Spanish, Italian, Portuguese or Dutch, and no words of English texts
    r"\b(?:der|das|und|mit|nicht|ist|wurde|wurden|eine|einer|bei|für|auf|nach|le|les|une|dans|avec|est|sont|pour|chez|été"
    r"|aux|qui|que|el|las|una|por|della|nel|che|uma|dos|não|em|een|niet)\b",
    re.IGNORECASE,
)


def language_remark(text: str) -> str:
    """A remark on a text that is hardly English; empty for others.

    Most of its letters are of another script, or it has at least two words that are frequent in six other languages,
    and more of these than of frequent English words.
    """
    letters = [character for character in text if character.isalpha()]
    latin = sum(unicodedata.name(character, "").startswith("LATIN") for character in letters)
    other = OTHER.findall(text.lower())
    foreign = len(set(other)) > 1 and len(other) > len(ENGLISH.findall(text))
    return FOREIGN if foreign or latin < len(letters) / 2 else ""


def in_state(
    state: Literal["running", "timing", "done", "cancelled", "failed"], content: str, number: int = 0, text: str = ""
) -> str:
    """The card in a state: ``running`` shows nothing yet, ``timing`` shows entities while times are being measured.

    ``content`` is markup. ``number`` and ``text`` are those of the run; ``answer.js`` compares them with the page's.
    """
    return (
        f'<section class="answer" aria-label="Answer" aria-live="polite" data-state="{state}" data-run="{number}" '
        f'data-text="{escape(text)}">{content}<p class="stale">{OUT_OF_DATE}</p><p class="cut">{CUT}</p></section>'
    )


RUNNING = in_state("running", "<p>Running…</p>")
CANCELLED = in_state(
    "cancelled", "<p>Cancelled. Any result shown is from an earlier run. Press Run to start again.</p>"
)


def failed(message: str) -> str:
    return in_state("failed", alert(message))


def card(run: Run, name: str, remarks: Mapping[str, str] | None = None) -> str:
    """The card of a run, whose headline is on the strategy of this name.

    ``remarks``: what to say about a text on which a strategy differs from dense.
    """
    compared, outcome = run.compared, run.shown(name)
    body = f'<p class="headline">{headline(outcome)}</p>'
    body += _bars(compared) + "".join(_read(each) for each in compared if each.result.windows)
    body += "".join(_changes(each) for each in compared if each.unlike)
    body += f'<p class="time">{_times(outcome) if run.timed else UNTIMED if run.ended else "Measuring times…"}</p>'
    errs = any(each.unlike for each in compared)
    if remark := (errs and (remarks or {}).get(run.text)) or language_remark(run.text):
        body += f"<p>{escape(remark)}</p>"
    return in_state("done" if run.timed or run.ended else "timing", body, run.number, run.text)


def headline(outcome: Compared) -> str:
    """What is deterministic: how much less is computed than by dense, and what became of the entities."""
    entities, same = len(outcome.result.entities), len(outcome.of_kind(SAME))
    if outcome.is_dense:
        return f"<code>{escape(outcome.label)}</code> <strong>{_entities(entities)}</strong>"
    less = f"<code>{escape(outcome.label)}</code> <strong>{outcome.saved} {term('computation')}</strong>"
    if differing := len(outcome.unlike):
        differ = f"{differing} {'differs' if differing == 1 else 'differ'} from all layers, which can err"
        return f"{less} · {same} of {_entities(len(outcome.full.entities))} the same, {differ}"
    return f"{less} · " + (f"same {_entities(same)}" if same else "no entities, like the full pass")


def _bars(compared: Sequence[Compared]) -> str:
    if len(compared) < 2:
        return ""
    bars = "".join(
        f'<div><code>{escape(outcome.label)}</code><span class="track">'
        f'<i style="width:{100 * outcome.kept:.1f}%"></i></span><span>{percent(outcome.kept)}</span></div>'
        for outcome in compared
    )
    return f'<div class="computation" role="group" aria-label="Computation of each strategy">{bars}</div>'


def _times(outcome: Compared) -> str:
    """The times of a strategy and of dense, as ranges."""
    rounds = len(outcome.runs_ms)
    how = number_of(rounds, "run") if rounds < FEW else f"the middle 80 % of {rounds} runs"
    own, full = (f"{span(middle(runs))} ms" for runs in (outcome.runs_ms, outcome.full_ms))
    if outcome.is_dense:
        return f"On this text and machine {full}. Ranges: {how}."
    return (
        f"On this text and machine <b>{span(speedup(outcome.runs_ms, outcome.full_ms))}×</b> as fast as the full pass: "
        f"{own} instead of {full}. Ranges: {how} each, in turn."
    )


def _read(outcome: Compared) -> str:
    """How much of the text the large model of a cascade read, and why."""
    judged = outcome.result.windows
    threshold = outcome.result.strategy.settings()["threshold"]
    return (
        f"<p><code>{escape(outcome.label)}</code>: the large model read {sum(window.read for window in judged)} of "
        f"{number_of(len(judged), 'window')}, those of {term('doubt')} {threshold:.2f} or more; Why lists them.</p>"
    )


def _changes(outcome: Compared) -> str:
    """Names the entities that are not as in dense, as buttons that lead to Why."""
    kinds = [f"{SAID[kind]}: {_names(outcome, kind)}" for kind in (LOST, NEW, CHANGED) if outcome.of_kind(kind)]
    return f"<p><code>{escape(outcome.label)}</code> {'; '.join(kinds)}</p>"


def _names(outcome: Compared, kind: str) -> str:
    changed = outcome.of_kind(kind)
    names = [
        f'<button type="button" class="to-word {kind}" data-word="{difference.word}" '
        f'data-strategy="{escape(outcome.name)}">{escape(difference.entity.text)}</button>'
        for difference in changed[:NAMED]
    ]
    return ", ".join(names) + (f" and {len(changed) - NAMED} more" if len(changed) > NAMED else "")


def _entities(number: int) -> str:
    return number_of(number, "entity", "entities") if number else "no entities"
