import pytest

from engine.model.packing import RaggedBatch
from engine.text.words import words_of
from tests.conftest import TEXT

TEXTS = (TEXT, "Nausea after aspirin.", "x", TEXT[50:] + " " + TEXT[:90])


@pytest.fixture(scope="session")
def batch(engine) -> RaggedBatch:
    """The windows of `TEXTS`."""
    return RaggedBatch.from_windows([window for text in TEXTS for window in engine.pieces.windows(words_of(text))])
