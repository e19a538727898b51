import pytest

from engine.pytorch.packing import RaggedBatch
from engine.text.words import words_of
from tests.conftest import TEXT


@pytest.fixture(scope="session")
def batch(engine) -> RaggedBatch:
    texts = TEXT, "Nausea after aspirin.", "x", TEXT[50:] + " " + TEXT[:90]
    return RaggedBatch.from_windows([window for text in texts for window in engine.pieces.windows(words_of(text))])
