"""A hand-made record: a text, its gold, what dense and a variant found, and where words exited."""

import numpy as np

from engine.paths import Paths, State
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.text.documents import Document, Entity
from engine.text.words import split_words
from eval.analysis import Comparison, DocumentComparison
from eval.analysis.groups import group_rows
from eval.record import Prediction, Variant

TYPES = ("Chemical", "Disease")
ENTROPY = Strategy((2, 4), EntropyController(0.4))
LAYERS = 6
TEXT = "Renal failure followed high doses of cisplatin ."


def entity(phrase, type_, text=TEXT):
    start = text.index(phrase)
    return Entity(start, start + len(phrase), type_, phrase)


FAILURE, DRUG = entity("Renal failure", "Disease"), entity("cisplatin", "Chemical")
GOLD = [FAILURE, DRUG]


def document(gold, dense, pruned, exits=None, *, text=TEXT, id_="1", types=TYPES):
    """What a variant found beside what dense found; ``exits``: index of a word → layer, and state unless it exited."""
    paths = [(exits or {}).get(index, (LAYERS, State.KEPT)) for index in range(len(split_words(text)))]
    layer, state = np.array([path if isinstance(path, tuple) else (path, State.EXITED) for path in paths]).T
    document, pruned = (
        Document(id_, text, tuple(gold)),
        Prediction(tuple(pruned), Paths(layer, state, np.full(len(layer), "O"))),
    )
    return DocumentComparison.of(document, types, pruned, Prediction(tuple(dense)))


def compared(*documents, strategy=ENTROPY):
    """These documents under a strategy."""
    return Comparison(Variant(strategy.name, strategy.kind, "float32", "cpu", strategy, layers=(LAYERS,)), documents)


def grouped(*cases, training=None, **facts):
    """The rows about groups, for documents given by gold and what dense and a strategy found."""
    dense = [document(gold, dense, dense, **facts) for gold, dense, _ in cases]
    pruned = [document(*case, **facts) for case in cases]
    return list(group_rows([compared(*dense, strategy=Strategy()), compared(*pruned)], training))
