"""Nasty texts, and what must hold for the result on any text."""

import numpy as np
from hypothesis import strategies as st

from engine.base import Engine
from engine.result import Result
from engine.text.words import split_words

_WORDS = [
    "famotidine", "delirium", "patients", "nausea", "and", "of", "the", "hypotension", "aspirin-induced", "20mg/kg",
    "α-tocopherol", "(n=12)", "p<0.05", "COVID-19", "naïve", "β₂", "IL-6", "N,N-dimethyl", "1,25-(OH)2D3", "Sjögren's",
    "café", "ﬁbrosis", "Ω-3", "µg", "10⁻⁵", "½", "℃", "ẞ", "İstanbul",
]  # fmt: skip
_ODD = [
    "\x00", "\x07", "\x1b[31m", "\r", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\xad", "\u200b", "\u200d",
    "\u202e", "\u2028", "\u2029", "\u3000", "\ufeff", "\ufffd", "\uffff", "\ud800", "\udfff", "e\u0301", "\u0301" * 30,
    "👩‍👩‍👧", "🇫🇮", "\U0010ffff", "漢字", "かな", "한국어", "ไทย", "العربية", "עברית", "नमस्ते", "ſ", "ŉ", "ǆ",
    "_" * 120, "x" * 99, "x" * 100, "x" * 101, "A" * 350, "1" * 400, "漢" * 130, "." * 200, "<script>", "&amp;", "|t|",
    "[CLS]", "[SEP] [MASK]", "[UNK]", "##ing", "O", "B-Disease", "-DOCSTART-", "{}", "%s%n", "\\u0000", "../..",
]  # fmt: skip
_PIECE = (
    st.sampled_from(_WORDS)
    | st.sampled_from(_ODD)
    | st.text(st.characters(), max_size=8)
    | st.text("aeé-. \n", max_size=12)
)


@st.composite
def texts(draw: st.DrawFn, most: int = 60) -> str:
    """A text of up to ``most`` pieces: words, odd characters and any others, joined by one blank."""
    blank = draw(st.sampled_from([" ", " ", "", "\n", "\u2009"]))
    return blank.join(draw(st.lists(_PIECE, max_size=most)))


def check_result(text: str, result: Result, engine: Engine) -> None:
    """Checks words, labels, offsets, types and scores of a result."""
    assert result.words == split_words(text)
    assert result.probabilities.shape == (len(result.words), len(engine.labels))
    assert np.isfinite(result.probabilities).all()
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-3)
    starts, ends = {start for start, _ in result.words}, {end for _, end in result.words}
    previous = 0
    for entity in result.entities:
        assert text[entity.start : entity.end] == entity.text
        assert entity.start in starts
        assert entity.end in ends
        assert previous <= entity.start < entity.end
        assert entity.type in engine.labels.types
        assert 0 < entity.score <= 1.0001
        previous = entity.end
