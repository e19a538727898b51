"""``nlp.add_pipe("token_pruning_ner")``."""

import pytest

pytest.importorskip("spacy")

import spacy
from spacy.tokens import Doc
from spacy.training import Example

from engine.errors import InputError
from engine.integrations.spacy import NAME
from tests.conftest import TEXT

TEXTS = [TEXT, "Nausea.", "", "  \n", TEXT[50:] + "\n\n" + TEXT[:90], "語 α-tocopherol 😀"] * 2


def with_component(folder, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME, config={"model": folder and str(folder), **config})
    return nlp


def spans(doc):
    return [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]


@pytest.mark.parametrize("strategy", ["dense", "rule"])
def test_entities_that_end_at_borders_of_tokens_are_those_of_the_engine(model_folder, engine, strategy):
    nlp, found = with_component(model_folder, strategy=strategy), 0
    assert nlp.pipe_labels == {NAME: ["Chemical", "Disease"]}
    for text in TEXTS:
        doc, entities = nlp(text), engine.tag(text, strategy).entities
        borders = {token.idx for token in doc} | {token.idx + len(token) for token in doc}
        same = {entity.key for entity in entities if {entity.start, entity.end} <= borders}
        assert same <= set(spans(doc))
        assert len(doc.ents) <= len(entities)
        found += len(same)
    assert found > 5


@pytest.fixture(scope="module")
def shipped():
    return with_component(None, strategy="dense")


def test_a_point_applies_to_the_default_strategy():
    assert with_component(None, point="fast").get_pipe(NAME).strategy.title == "entropy:fast"
    with pytest.raises(InputError, match="quick"):
        with_component(None, point="quick")


def test_any_model_finds_entities_without_a_strategy(made_folder):
    assert with_component(made_folder)(TEXT).ents


def test_evaluate_returns_the_scores_of_entities(shipped):
    text = "Famotidine caused delirium and hypotension."
    gold = {"entities": spans(shipped(text))[1:]}
    scores = shipped.evaluate([Example.from_dict(shipped.make_doc(text), gold)])
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == pytest.approx((2 / 3, 1, 0.8))
    assert shipped.get_pipe_meta(NAME).default_score_weights["ents_f"] == 1


def test_entities_within_a_token_are_widened_to_it_and_the_longest_of_those_that_overlap_stays(shipped, monkeypatch):
    text = "Famotidine-associated delirium;hypotension."
    found = shipped.get_pipe(NAME).engine.tag(text, "dense").entities
    assert [entity.text for entity in found] == ["Famotidine", "delirium", "hypotension"]
    assert [entity.text for entity in shipped(text).ents] == ["Famotidine", "delirium;hypotension"]
    monkeypatch.setattr(shipped, "tokenizer", lambda text: Doc(shipped.vocab, words=text.split(" ")))
    assert [entity.text for entity in shipped(text).ents] == ["Famotidine-associated", "delirium;hypotension."]


def test_entities_of_earlier_components_stay_unless_a_longer_one_overlaps(shipped):
    text = "Famotidine caused severe cardiac arrest in mice."
    for given, label in {"Famotidine": "DRUG", "severe cardiac": "GRADE", "mice": "ANIMAL"}.items():
        doc = shipped.make_doc(text)
        start = text.index(given)
        doc.ents = [doc.char_span(start, start + len(given), label)]
        assert (given, label) in [(entity.text, entity.label_) for entity in shipped.get_pipe(NAME)(doc).ents]
    doc = shipped.make_doc(text)
    doc.ents = [doc.char_span(25, 32, "ORGAN")]
    assert [entity.text for entity in shipped.get_pipe(NAME)(doc).ents] == ["Famotidine", "cardiac arrest"]


def test_tokens_that_were_blocked_stay_outside(shipped):
    doc = shipped.make_doc("Famotidine caused delirium and hypotension.")
    doc.set_ents([], blocked=[doc[2:3]])
    doc = shipped.get_pipe(NAME)(doc)
    assert [entity.text for entity in doc.ents] == ["Famotidine", "hypotension"]
    assert (doc[2].ent_iob_, doc[2].ent_type_) == ("B", ""), "for later components, too"


def test_a_stream_needs_no_batch_size(shipped):
    docs = map(shipped.make_doc, TEXTS)
    assert [spans(doc) for doc in shipped.get_pipe(NAME).pipe(docs)] == [spans(shipped(text)) for text in TEXTS]


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 5}, {}, {"n_process": 2, "batch_size": 3}])
def test_a_stream_gives_the_same_in_any_batches_and_processes(model_folder, options):
    nlp = with_component(model_folder)
    alone = [spans(nlp(text)) for text in TEXTS]
    assert any(alone)
    assert [spans(doc) for doc in nlp.pipe(iter(TEXTS), **options)] == alone


def test_a_saved_pipeline_loads_with_its_configuration(model_folder, tmp_path):
    nlp = with_component(model_folder, strategy="dense", dtype="int8")
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    component = again.get_pipe(NAME)
    assert (component.strategy.name, component.engine.dtype) == ("dense", "int8")
    assert spans(again(TEXT)) == spans(nlp(TEXT))
