from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.data.corpora import Corpus, load_corpus
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from eval.measure.analyses import analyse
from eval.measure.components import COMPONENTS
from eval.measure.variants import of_strategy
from eval.report import SAMPLE


@pytest.fixture(autouse=True, scope="module")
def cheap() -> Iterator[None]:
    """Stubs what takes seconds per report, a separate process and the profiler; their tests call the originals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.measure.cost.resident", lambda *_: 2**30)
        patch.setattr("eval.measure.components.split", lambda *_: dict.fromkeys(COMPONENTS, 1.0))
        yield


SETTINGS = {"gates": (1, 2), "max_entropy": 0.45, "exit_entities": True}


@pytest.fixture(scope="session")
def analysed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, list[Strategy], Path]:
    """A corpus, two strategies and the folder with the analyses of both."""
    out = tmp_path_factory.mktemp("analysis")
    corpus = load_corpus(str(SAMPLE), limit=34)
    strategies = [engine.strategy("entropy", **SETTINGS), engine.strategy("truncate-1")]
    variants = [of_strategy(engine, strategy) for strategy in (engine.strategy("dense"), *strategies)]
    analyse(variants, corpus, out, corpus.documents[:2])
    return corpus, strategies, out
