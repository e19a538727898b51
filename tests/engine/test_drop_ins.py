"""The shipped weights on fifty abstracts: the drop-ins against what they replace."""

import pytest
import transformers
from transformers import AutoTokenizer

from engine import InputError, load_engine, pipeline
from engine.checkpoint import SHIPPED
from engine.data.corpora import load_corpus

pytestmark = pytest.mark.slow

ABSTRACTS = 50


@pytest.fixture(scope="module")
def texts():
    """Abstracts of one window: Hugging Face's pipeline truncates longer ones, ours does not."""
    try:
        corpus = load_corpus("bc5cdr", "test")
    except InputError:
        pytest.skip("BC5CDR is not at hand")
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)
    texts = [document.text for document in corpus.documents]
    fitting = [text for text in texts if len(tokenizer(text, truncation=False)["input_ids"]) <= 512]
    return fitting[:ABSTRACTS]


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
def test_the_pipeline_answers_as_hugging_faces_own(aggregation, texts):
    task = "token-classification"
    theirs = transformers.pipeline(task, model=str(SHIPPED), device="cpu", aggregation_strategy=aggregation)(texts)
    ours = pipeline(task, strategy="dense", aggregation_strategy=aggregation)(texts)
    assert len(ours) == ABSTRACTS
    assert sum(map(len, theirs)) > 500
    for mine, other in zip(ours, theirs, strict=True):
        assert [answer | {"score": 0} for answer in mine] == [answer | {"score": 0} for answer in other]
        assert [a["score"] for a in mine] == pytest.approx([a["score"] for a in other], abs=1e-4)


def test_the_component_of_spacy_finds_the_entities_of_the_engine(texts):
    spacy = pytest.importorskip("spacy")  # requirements-spacy.txt
    import engine.spacy_component  # noqa: F401  # its entry point, where the project is not installed

    nlp = spacy.blank("en")
    nlp.add_pipe("token_pruning_ner", config={"strategy": "dense"})
    found = [result.entities for result in load_engine().tag_batch(texts, "dense")]
    total = sum(map(len, found))
    assert total > 500
    same = 0
    for doc, entities in zip(nlp.pipe(texts), found, strict=True):
        borders = {token.idx for token in doc} | {token.idx + len(token) for token in doc}
        exact = {entity.key for entity in entities if {entity.start, entity.end} <= borders}
        spans = {(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents}
        assert exact <= spans
        assert len(spans) <= len(entities)
        same += len(exact)
    assert same > 0.95 * total, "spaCy's tokens cut few entities"
    print(f"{same} of {total} entities exact, the others widened to their token")
