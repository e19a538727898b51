"""The shipped weights on fifty abstracts: the drop-ins beside what they stand in for."""

import pytest
import transformers

from engine import InputError, load_engine, pipeline
from engine.checkpoint import SHIPPED
from engine.data.corpora import load_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def texts():
    try:
        corpus = load_corpus("bc5cdr", "test", limit=50)
    except InputError:
        pytest.skip("BC5CDR is not at hand")
    return [document.text for document in corpus.documents]


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
def test_the_pipeline_answers_as_hugging_faces_own(aggregation, texts):
    task = "token-classification"
    theirs = transformers.pipeline(task, model=str(SHIPPED), device="cpu", aggregation_strategy=aggregation)(texts)
    ours = pipeline(task, strategy="dense", aggregation_strategy=aggregation)(texts)
    assert sum(map(len, theirs)) > 500
    for mine, other in zip(ours, theirs, strict=True):
        assert [answer | {"score": 0} for answer in mine] == [answer | {"score": 0} for answer in other]
        assert [a["score"] for a in mine] == pytest.approx([a["score"] for a in other], abs=1e-4)


def test_the_component_of_spacy_finds_the_entities_of_the_engine(texts):
    spacy = pytest.importorskip("spacy")  # requirements-spacy.txt
    nlp = spacy.blank("en")
    nlp.add_pipe("token_pruning_ner", config={"model": None, "strategy": "dense"})
    found = [engine_result.entities for engine_result in load_engine().tag_batch(texts, "dense")]
    assert sum(map(len, found)) > 500
    same = 0
    for doc, entities in zip(nlp.pipe(texts), found, strict=True):
        borders = {token.idx for token in doc} | {token.idx + len(token) for token in doc}
        exact = {entity.key for entity in entities if {entity.start, entity.end} <= borders}
        spans = {(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents}
        assert exact <= spans
        assert len(spans) <= len(entities)
        same += len(exact)
    assert same > 0.95 * sum(map(len, found)), "spaCy's tokens cut few entities"
