"""What comes with the repository works as is: weights and sample corpus."""

import os
import random

import numpy as np
import pytest

from engine import load_engine
from engine.cli.tagging import tag_documents
from engine.corpora import load_corpus
from engine.formats import read_documents
from engine.models.shipped import DEFAULT, SHIPPED
from engine.pruning.strategy_names import OPERATING_POINTS
from eval.config import SAMPLE

PLAIN = "The patient developed severe hypotension after receiving aspirin."
SIX = (
    "BRCA1 mutations in 12 patients with breast cancer.",
    "The V600E mutation of BRAF was absent.",
    "HeLa cells were treated with cisplatin.",
)


@pytest.fixture(scope="module")
def texts():
    return [document.text for document in load_corpus(str(SAMPLE), limit=8).documents]


@pytest.fixture(scope="module")
def six():
    return load_engine("six")


COMPLETE = ("entropy", "attention", "attention+recovery", "mlp", "mlp-attention", "rule")
POINTS = dict.fromkeys(COMPLETE, OPERATING_POINTS) | {"entropy+recovery": ("fast",)}  # all that the sweep found


@pytest.mark.parametrize(("name", "types", "points"), [
    (DEFAULT, {"Chemical", "Disease"}, POINTS),
    ("six", {"Gene", "Disease", "Chemical", "Species", "Variant", "CellLine"}, {"entropy": OPERATING_POINTS}),
])  # fmt: skip
def test_weights_verify_weigh_at_most_60_mb_run_in_8_bits_and_have_operating_points(name, types, points):
    engine = load_engine(name)
    assert sum(path.stat().st_size for path in SHIPPED[name].iterdir()) <= 60e6
    assert (engine.dtype, set(engine.labels.types)) == ("int8", types)
    assert {strategy: tuple(found) for strategy, found in engine.points.items()} == points
    engine.folder.digest()


@pytest.mark.parametrize("strategy", ["dense", "entropy"])
def test_six_types_are_found_in_plain_sentences(six, strategy):
    found = [(entity.text, entity.type) for text in SIX for entity in six.tag(text, strategy).entities]
    assert found[:3] == [("BRCA1", "Gene"), ("patients", "Species"), ("breast cancer", "Disease")]
    assert found[3:] == [("V600E", "Variant"), ("BRAF", "Gene"), ("HeLa", "CellLine"), ("cisplatin", "Chemical")]


PASSAGES = "<document><id>1</id>{}</document>".format(
    "".join(
        f"<passage><offset>{offset}</offset><text>{text}</text></passage>"
        for offset, text in ((0, "Acute renal"), (12, "failure was seen. Acute renal"), (42, "failure."))
    )
)


@pytest.mark.parametrize(("name", "content"), [
    ("a.pubtator", "1|t|Acute renal\n1|a|failure was seen.\n"),
    ("a.xml", f"<collection>{PASSAGES}</collection>"),
    ("a.csv", "id,title,abstract\n1,Acute renal,failure was seen.\n"),
])  # fmt: skip
def test_no_entity_crosses_the_passages_of_a_document(shipped, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    (document,) = read_documents(tmp_path / name)
    assert shipped.tag(document.text).entities[0].text.split() == ["Acute", "renal", "failure"]
    (tagged,) = tag_documents(shipped, shipped.strategy(), [document], 1)
    assert tagged.entities
    assert not [entity for entity in tagged.entities for end in document.breaks if entity.start < end < entity.end]


@pytest.mark.parametrize("strategy", ["dense", "rule", "entropy", "mlp", "truncate-3"])
def test_every_strategy_finds_the_plain_entities_of_a_plain_sentence(shipped, strategy):
    found = shipped.tag(PLAIN, strategy).entities
    assert [(entity.text, entity.type) for entity in found] == [("hypotension", "Disease"), ("aspirin", "Chemical")]


def test_a_quicker_operating_point_computes_less_but_for_rule_on_such_short_texts(shipped, texts):
    def cost(strategy, point=None):
        return sum(result.cost.macs for result in shipped.tag_batch(texts[:4], strategy, point))

    dense = cost("dense")
    for strategy in ("entropy", "mlp"):
        careful, balanced, fast = (cost(strategy, point) for point in OPERATING_POINTS)
        assert dense > careful > balanced > fast, strategy
    assert all(dense > cost("rule", point) for point in OPERATING_POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_thousands_of_texts_at_once_have_the_entities_that_each_has_alone(dtype, texts):
    engine, chosen, words = load_engine(dtype=dtype), random.Random(0), " ".join(texts).split()
    begins = [chosen.randrange(len(words) - 40) for _ in range(5000)]
    texts = [" ".join(words[begin : begin + chosen.randint(1, 40)]) for begin in begins]
    some = range(0, 5000, 5)  # tagged alone; all of them would take an hour
    for strategy in ("dense", "entropy"):
        together = engine.tag_batch(texts, strategy, batch_size=len(texts))
        at_once = {(index, *entity.key) for index in some for entity in together[index].entities}
        alone = {(index, *entity.key) for index in some for entity in engine.tag(texts[index], strategy).entities}
        assert 2 * len(at_once & alone) >= 0.999 * (len(at_once) + len(alone)) > 1000


@pytest.mark.slow
@pytest.mark.skipif("BIONER_DATA" not in os.environ, reason="no corpora")
def test_in_8_bits_nearly_all_words_of_calib_have_the_label_of_float32(shipped):
    texts = [document.text for document in load_corpus("bc5cdr", "calib").documents]
    exact, quantised = (
        np.concatenate([result.probabilities.argmax(1) for result in engine.tag_batch(texts, "dense")])
        for engine in (shipped, load_engine(dtype="int8"))
    )
    assert (exact == quantised).mean() >= 0.995


@pytest.mark.parametrize("name", [DEFAULT, "six"])
@pytest.mark.parametrize(("point", "last"), [("balanced", 5), ("fast", 4)])
def test_every_word_exits_before_the_last_layer_as_the_card_says(name, point, last):
    engine = load_engine(name)
    strategy = engine.strategy("entropy", point)
    assert (strategy.gates[-1], strategy.controller.max_entropy[-1]) == (last, 1.0)
    assert engine.tag(PLAIN, strategy).cost.rows[last:] == (0,) * (6 - last)
    card = " ".join((SHIPPED[name] / "README.md").read_text(encoding="utf-8").split())
    assert f"after layer {last}" in card


def test_lambda_prunes_strictly_more_over_its_range_on_real_text(shipped, texts):  # rule 6
    def kept(lambda_):
        results = shipped.tag_batch(texts, "rule", lambda_=lambda_, min_keep_ratio=0.0, neighbours=0)
        return sum(result.cost.token_layers for result in results)

    shares = [kept(lambda_) for lambda_ in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    assert shares == sorted(set(shares), reverse=True)
