"""Strategies beside dense, as Compare shows them, and parts of markup."""

import re
from dataclasses import replace
from html import unescape

from demo.common.differences import Compared
from demo.common.runs import ROUNDS, Run
from demo.settings import Chosen
from engine import Entity

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
HOSTILE = '<script>alert(1)</script> ${1+1} {{7*7}} `x` \\ &amp; "quoted" \x1b\0 \ud800 אבג \u202eabc\u202c 😀 x\r\n\ty'
FAMOTIDINE, DELIRIUM, NAUSEA = (
    Entity(TEXT.index(text), TEXT.index(text) + len(text), type_, text, 0.75)
    for text, type_ in (("Famotidine", "Chemical"), ("delirium", "Disease"), ("nausea", "Disease"))
)
RECOVERING = {  # two words of the text come back
    "max_entropy": 0.45,
    "min_keep_ratio": 0.3,
    "exit_entities": True,
    "trigger": "confidence",
    "min_confidence": 1.0,
    "recovery_limit": 2,
}


def as_stored(strategy, point="", dtype="float32"):
    """A strategy chosen on the page whose settings are those of its operating point."""
    return Chosen(strategy, replace(strategy, point=point), dtype)


def beside(result, dense, chosen=None, runs_ms=(10.0,) * ROUNDS, full_ms=(20.0,) * ROUNDS):
    """A strategy's result and times beside those of dense."""
    return Compared(chosen or as_stored(result.strategy), result, runs_ms, dense, full_ms)


def run_of(*compared, text=TEXT):
    """A run of these strategies."""
    return Run(1, text, compared)


def text_of(markup):
    """The text that a browser shows; what was not escaped is missing."""
    return unescape(re.sub("<[^>]*>", "", markup))


def spans(markup, kind):
    """The attributes of each span whose class starts so."""
    found = re.findall(f'<span (class="{kind}\\b[^>]*)>', markup)
    return [{name: unescape(value) for name, value in re.findall('([a-z-]+)="([^"]*)"', one)} for one in found]
