"""Hand-made runs: a text, its gold, and the gates, state and labels of each word."""

from engine.inspection.trace import GateScore, WordTrace
from engine.text.documents import Document, Entity
from engine.text.words import split_words
from eval.analysis import DocumentComparison
from eval.analysis.subgroups import Subgroups

TYPES = ("Chemical", "Disease")
LAYERS = 6
# Name, gates, whether words may be recovered.
DENSE = ("dense", (), False)
ENTROPY = ("entropy", (2, 4), False)
RECOVERING = ("entropy+recovery", (2, 4), True)
TEXT = "Renal failure followed high doses of cisplatin ."


def entity(phrase, type_, text=TEXT):
    start = text.index(phrase)
    return Entity(start, start + len(phrase), type_, phrase)


FAILURE, DRUG = entity("Renal failure", "Disease"), entity("cisplatin", "Chemical")
GOLD = [FAILURE, DRUG]


def compare(gold, dense, own, strategy=ENTROPY, exits=None, *, text=TEXT, id_="1", title_end=None, types=TYPES):
    """What a strategy found beside what dense found; ``exits``: word index → (layer, state), other words are kept."""
    name, all_gates, recovers = strategy
    words = []
    for index, (start, end) in enumerate(split_words(text)):
        layer, state = (exits or {}).get(index, (LAYERS, "kept"))
        gates = tuple(GateScore(gate, "O", 0.9, 0.5, gate == layer) for gate in all_gates if gate <= layer)
        words.append(WordTrace(start, end, text[start:end], 1 + index % 2, layer, state, "O", 0.9, gates))
    document, found = Document(id_, text, tuple(gold), title_end), dense if strategy == DENSE else own
    return DocumentComparison(document, types, name, all_gates, recovers, tuple(words), tuple(found), tuple(dense))


def grouped(*cases, training=None, seed=0, **facts):
    """The rows of both files about groups, for documents given by gold and what dense and a strategy found."""
    groups = Subgroups(LAYERS, training)
    for gold, dense, own in cases:
        groups.add(compare(gold, dense, dense, DENSE, **facts))
        groups.add(compare(gold, dense, own, ENTROPY, **facts))
    return groups.rows(seed)


def gaps_if_lost(lost_in):
    """The gaps if one group loses its mentions in some of 60 documents."""
    return grouped(*((GOLD, GOLD, [DRUG] if number in lost_in else GOLD) for number in range(60)))[1]
