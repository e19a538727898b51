"""Strategies beside dense, as Compare shows them, and parts of markup."""

import re
from html import unescape

from demo.common.differences import Candidate, Compared
from demo.common.timing import RUNS, Timing
from engine import Entity

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
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


def timed(result, *runs_ms):
    """Its times, 10 ms in each run unless they are given."""
    return Timing(result, runs_ms or (10.0,) * RUNS)


def beside(one, dense, label=""):
    """A strategy's times beside those of dense."""
    strategy = one.result.strategy
    return Compared(Candidate(strategy, label or f"{strategy.name} (float32)"), one, dense)


def text_of(markup):
    """The text that a browser shows; what was not escaped is missing."""
    return unescape(re.sub("<[^>]*>", "", markup))


def spans(markup, kind):
    """The attributes of each span whose class starts so."""
    found = re.findall(f'<span (class="{kind}\\b[^>]*)>', markup)
    return [{name: unescape(value) for name, value in re.findall('([a-z-]+)="([^"]*)"', one)} for one in found]
