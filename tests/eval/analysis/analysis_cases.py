"""Hand-made results: a text, its gold, and what each word's gates, fate and label were."""

from engine.inspection.cost import Cost
from engine.inspection.trace import GateScore, Latency, Trace, WordTrace
from engine.pruning.controllers import EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.text.documents import Document, Entity
from engine.text.words import split_words
from eval.analysis.comparison import Compared

TYPES = ("Chemical", "Disease")
LAYERS = 6
DENSE = Strategy("dense")
ENTROPY = Strategy("entropy", (2, 4), EntropyController())
RECOVERING = Strategy("entropy+recovery", (2, 4), EntropyController(), recovery=Recovery())
TEXT = "Renal failure followed high doses of cisplatin ."


class HandMade:
    """What the analyses read of a `Result`."""

    def __init__(self, text, entities, strategy, fates):
        self.text, self.entities, self.strategy = text, tuple(entities), strategy
        self.words = split_words(text)
        words = []
        for index, (start, end) in enumerate(self.words):
            layer, state = fates.get(index, (LAYERS, "kept"))
            gates = tuple(GateScore(gate, "O", 0.9, 0.1, gate == layer) for gate in strategy.gates if gate <= layer)
            words.append(WordTrace(start, end, text[start:end], 1 + index % 2, layer, state, "O", 0.9, gates))
        self.trace = Trace(strategy, tuple(words), Cost((0,) * LAYERS, 0, 0, 0, 0), Latency(0, 0, 1))


def entity(phrase, type_, text=TEXT):
    start = text.index(phrase)
    return Entity(start, start + len(phrase), type_, phrase)


FAILURE, DRUG = entity("Renal failure", "Disease"), entity("cisplatin", "Chemical")
GOLD = [FAILURE, DRUG]


def compared(gold, dense, own, strategy=ENTROPY, fates=None, *, text=TEXT, id_="1", title_end=None):
    """``fates``: word index → (layer, state); words that are not in it are kept."""
    document = Document(id_, text, tuple(gold), title_end)
    reference = HandMade(text, dense, DENSE, {})
    return Compared(document, TYPES, HandMade(text, own, strategy, fates or {}), reference)
