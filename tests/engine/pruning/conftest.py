from collections.abc import Callable, Sequence

import pytest

from engine.base import Engine
from engine.pruning.record import WindowRecord
from engine.pruning.strategy import Strategy
from engine.text.windows import Window
from tests.conftest import TEXT


@pytest.fixture(scope="session")
def windows(engine: Engine) -> list[Window]:
    texts = TEXT, "Nausea after aspirin.", "x", TEXT[50:] + " " + TEXT[:90]
    return [window for text_windows in engine.pieces.of_texts(texts)[1] for window in text_windows]


@pytest.fixture(scope="session")
def run(engine: Engine, windows: list[Window]) -> Callable[..., Sequence[WindowRecord]]:
    """Runs a strategy on the windows."""

    def records(strategy: Strategy, on: Sequence[Window] = windows) -> Sequence[WindowRecord]:
        return engine.backend.run(on, strategy)

    return records
