"""Technical terms on the page, each explained in place: point at one, focus it or tap it."""

from __future__ import annotations

from demo.html.escape import escape

TERMS = {
    "dense": "The full model: every word goes through every layer. Everything else is compared with it.",
    "F1": "Harmonic mean of precision and recall; an entity is correct if its span and its type are. A point is 0.01. "
    "In brackets: the 95 % interval of the difference.",
    "gate": "A layer after which words may leave. A small classifier there labels every word.",
    "early exit": "A word leaves at a gate: it keeps the label it has there, and later layers do not compute it.",
    "computation kept": "Token-layers: tokens computed, summed over the layers, as a share of what dense computes.",
    "operating point": "Stored settings, chosen on held-out texts: careful loses almost no F1 and saves the least, "
    "fast loses a little more and saves the most, balanced is in between.",
    "λ": "A setting of the rule strategy: the larger λ is, the more words leave.",
    "recovery": "Words that left are computed again where the result looks doubtful.",
}


def term(name: str, shown: str = "") -> str:
    """A term with its explanation; ``shown``: its form in the sentence."""
    return (
        f'<button type="button" class="term">{escape(shown or name)}<span class="tip" role="tooltip">'
        f"{escape(TERMS[name])}</span></button>"
    )
