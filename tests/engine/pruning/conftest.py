from copy import deepcopy

import pytest
from transformers import BertModel

from engine.model.packing import RaggedBatch
from engine.text.words import words_of
from tests.conftest import TEXT

TEXTS = (TEXT, "Nausea after aspirin.", "x", TEXT[50:] + " " + TEXT[:90])


@pytest.fixture(scope="session")
def batch(engine) -> RaggedBatch:
    """The windows of `TEXTS`."""
    return RaggedBatch.from_windows([window for text in TEXTS for window in engine.pieces.windows(words_of(text))])


@pytest.fixture(scope="session")
def huggingface(engine) -> BertModel:
    """The engine's encoder as the library computes it."""
    config = deepcopy(engine.encoder.config)
    config._attn_implementation = "eager"
    reference = BertModel(config, add_pooling_layer=False).eval()
    reference.load_state_dict({n.removeprefix("bert."): v for n, v in engine.encoder.huggingface_state().items()})
    return reference
