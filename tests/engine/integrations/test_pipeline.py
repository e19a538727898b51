"""`engine.pipeline` answers as ``transformers.pipeline`` with ``aggregation_strategy="first"`` does."""

import pytest
import transformers
from transformers.pipelines.token_classification import AggregationStrategy

from engine import InputError, load_engine, pipeline
from tests.conftest import TEXT

TEXTS = ["Nausea.", "", TEXT, "\n del Nausea  and\n\nfamotidine-(x),α ", "naïve 語 nausea and", "Nausea after del"]
TASK = "token-classification"


def answers(text, folder, **options):
    return transformers.pipeline(TASK, model=str(folder), device="cpu", aggregation_strategy="first", **options)(text)


def test_dense_answers_as_hugging_face_does(plain_folder):
    ours = pipeline(TASK, model=plain_folder, strategy="dense", dtype="float32")
    expected = answers(TEXTS, plain_folder)
    assert len({group["entity_group"] for groups in expected for group in groups}) > 1
    assert any(" " in group["word"] for groups in expected for group in groups)
    for found in (ours(TEXTS), ours(iter(TEXTS)), [ours(text) for text in TEXTS]):
        assert [[group | {"score": 0} for group in groups] for groups in found] == [
            [group | {"score": 0} for group in groups] for groups in expected
        ]
        for groups, others in zip(found, expected, strict=True):
            assert [group["score"] for group in groups] == pytest.approx([one["score"] for one in others], abs=1e-4)


def test_a_text_beyond_the_encoders_limit_is_read_whole(plain_folder):
    engine, text = load_engine(plain_folder, "float32"), TEXT * 8
    groups, entities = pipeline(model=engine, strategy="dense")(text), engine.tag(text, "dense").entities
    assert [(group["start"], group["end"], group["entity_group"]) for group in groups] == [e.key for e in entities]
    assert groups[-1]["end"] > len(text) * 0.8


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "modernbert"])
def test_words_are_spelled_as_every_kind_of_tokenizer_does_and_unknown_ones_stay(family, folders):
    spelled = load_engine(folders(family)).pieces.spelled(["Famotidine", "-", "induced", "語"])
    assert "".join(spelled.lower().split()) == "famotidine-induced語"


def test_a_strategy_and_an_operating_point_are_the_engines(shipped):
    text = "Famotidine-associated delirium."
    assert pipeline("ner", model=shipped, point="fast")(text) == pipeline(model=shipped, strategy="entropy:fast")(text)
    assert [group["word"] for group in pipeline(model=shipped)(text)] == ["famotidine", "delirium"]
    with pytest.raises(InputError, match="quick"):
        pipeline(model=shipped, point="quick")


@pytest.mark.parametrize("name", ["none", "simple", "average", "max", AggregationStrategy.SIMPLE, None, "foo"])
def test_another_aggregation_is_refused_by_name(name, plain_folder):
    with pytest.raises(InputError, match=r"aggregation_strategy='first', got .*" + getattr(name, "name", str(name))):
        pipeline(model=plain_folder, strategy="dense", aggregation_strategy=name)
    assert pipeline(model=plain_folder, strategy="dense", aggregation_strategy=AggregationStrategy.FIRST)("") == []


@pytest.mark.parametrize(
    ("arguments", "keyword"),
    [
        ({"task": "summarization"}, "the task token-classification or ner"),
        ({"tokenizer": "x", "stride": 3}, "no option stride, tokenizer"),
        ({"device": 7}, "a device of this machine.*use the device cpu"),
        ({"engine": True, "dtype": "int8"}, "no option dtype with this model"),
    ],
)
def test_what_cannot_run_is_refused_at_once(plain_folder, arguments, keyword):
    given = {"strategy": "dense"} | arguments
    model = load_engine(plain_folder) if given.pop("engine", False) else plain_folder
    with pytest.raises(InputError, match=keyword):
        pipeline(model=model, **given)


def test_what_is_no_text_is_refused(plain_folder):
    for texts in ([7], 7):
        with pytest.raises(InputError, match="expected"):
            pipeline(model=plain_folder, strategy="dense", device=-1, tokenizer=None)(texts)
