"""`engine.pipeline` answers as ``transformers.pipeline`` with ``aggregation_strategy="first"`` does."""

import json
import re
import shutil

import pytest
import torch
import transformers
from transformers.pipelines.token_classification import AggregationStrategy

from engine import InputError, load_engine, pipeline
from engine.models.shipped import DEFAULT, SHIPPED
from tests.conftest import TEXT

TEXTS = ["Nausea.", "", TEXT, "\n del Nausea  and\n\nfamotidine-(x),α ", "naïve 語 nausea and", "Nausea after del"]
TASK = "token-classification"
ODD = [
    "aspirin_sodium caused tumor_necrosis_factor-α induced rash", "warfarin©bleeding in patients", "β-amyloid, 5-HT±SD",
    "Parkinson's disease™ and Alzheimer disease®", "TNF-α→IL-6 in asthma", "p≠0.05 for aspirin≥5 µg/kg", "37°C fever",
    "lithium\u00a0carbonate\u2003toxicity", "阿司匹林 aspirin 引起 asthma", "かな 한국어 नमस्ते العربية aspirin",
    "peni\u200bcillin caused rash", "\ufeffAspirin caused asthma", "nitro\ufffdglycerin headache",
    "H₂O₂, Ca²⁺ and Na⁺/K⁺ toxicity", "—aspirin—induced…asthma’s", "😀aspirin👩\u200d⚕\ufe0f pain", "İstanbul ŉ ǆ ẞ",
    "50%aspirin $5 `pain` a^b a~b <asthma> |t|", "naïve patients, Sjögren's and Sjo\u0308gren's syndrome",
]  # fmt: skip


def answers(text, folder, **options):
    return transformers.pipeline(TASK, model=str(folder), device="cpu", aggregation_strategy="first", **options)(text)


def test_dense_answers_as_hugging_face_does(plain_folder):
    ours = pipeline(TASK, model=plain_folder, strategy="dense", dtype="float32")
    expected = answers(TEXTS, plain_folder)
    assert len({group["entity_group"] for groups in expected for group in groups}) > 1
    assert any(" " in group["word"] for groups in expected for group in groups)
    for found in (ours(TEXTS), ours(iter(TEXTS)), [ours(text) for text in TEXTS]):
        check_equal(found, expected)


def check_equal(found, expected):
    assert [[group | {"score": 0} for group in groups] for groups in found] == [
        [group | {"score": 0} for group in groups] for groups in expected
    ]
    for groups, others in zip(found, expected, strict=True):
        assert [group["score"] for group in groups] == pytest.approx([entity["score"] for entity in others], abs=1e-4)


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_have_the_words_and_scores_of_hugging_face(text, shipped_tagger, shipped_at_hugging_face):
    check_equal([shipped_tagger(text)], [shipped_at_hugging_face(text)])


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("[MASK] caused [SEP] asthma", ["mask", "sep", "asthma"], ["asthma"]),
        ("aspirin\fasthma", ["aspirin", "asthma"], ["aspirinasthma"]),
        ("aspirin asth\u00adma", ["aspirin", "asthma"], ["aspirin asthma"]),
        ("aspirin" * 15 + " asthma", [("aspirin" * 15)[:100], "pirin", "asthma"], ["asthma"]),
    ],
)
def test_what_differs_from_hugging_face_as_docs_say(text, ours, theirs, shipped_tagger, shipped_at_hugging_face):
    assert [group["word"] for group in shipped_tagger(text)] == ours
    assert [group["word"] for group in shipped_at_hugging_face(text)] == theirs


@pytest.mark.parametrize(
    ("setting", "text"), [("tokenize_chinese_chars", "nausea語and"), ("strip_accents", "nausea≠and≮del")]
)
def test_words_of_their_own_are_not_joined_by_settings_of_the_tokenizer(setting, text, plain_folder, tmp_path):
    folder = shutil.copytree(plain_folder, tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", setting: False}))
    words = [text[begin:end] for begin, end in load_engine(folder).tag(text).words]
    assert words == re.findall("[a-z]+|.", text)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)
    assert set(theirs.word_ids()) == {0}, "one word"


@pytest.fixture(scope="module")
def shipped_tagger():
    return pipeline(strategy="dense", dtype="float32")


@pytest.fixture(scope="module")
def shipped_at_hugging_face():
    return transformers.pipeline(
        TASK, model=str(SHIPPED[DEFAULT]), device="cpu", dtype=torch.float32, aggregation_strategy="first"
    )


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


def test_any_model_answers_without_a_strategy(made_folder):
    found = [(entity.start, entity.end) for entity in load_engine(made_folder).tag(TEXT).entities]
    assert found == [(group["start"], group["end"]) for group in pipeline(TASK, model=made_folder)(TEXT)]


@pytest.mark.parametrize("name", ["none", "average", "max", AggregationStrategy.MAX, None, "foo"])
def test_another_aggregation_is_refused_by_name(name, plain_folder):
    with pytest.raises(InputError, match="aggregation_strategy=.*" + getattr(name, "name", str(name))):
        pipeline(model=plain_folder, strategy="dense", aggregation_strategy=name)
    assert pipeline(model=plain_folder, strategy="dense", aggregation_strategy=AggregationStrategy.FIRST)("") == []


@pytest.mark.parametrize("name", ["simple", AggregationStrategy.SIMPLE])
def test_simple_is_taken_as_first_and_a_warning_says_so(name, plain_folder, caplog):
    first = pipeline(model=plain_folder, strategy="dense")(TEXT)
    assert pipeline(model=plain_folder, strategy="dense", aggregation_strategy=name)(TEXT) == first
    assert [record.levelname for record in caplog.records if "simple" in record.message] == ["WARNING"]


def test_a_call_can_have_a_batch_size_of_its_own(plain_folder):
    tagger = pipeline(model=plain_folder, strategy="dense", dtype="float32")
    assert tagger(TEXTS, batch_size=2) == tagger(TEXTS)
    with pytest.raises(InputError, match="batch size 0"):
        tagger(TEXTS, batch_size=0)


@pytest.mark.parametrize(
    ("arguments", "keyword"),
    [
        ({"task": "summarization"}, "summarization"),
        ({"tokenizer": "x", "stride": 3}, "leave out the option stride, tokenizer"),
        ({"device": 7}, "the device .*Use the device cpu"),
        ({"engine": True, "dtype": "int8"}, "leave out the option dtype"),
    ],
)
def test_what_cannot_run_is_refused_at_once(plain_folder, arguments, keyword):
    given = {"strategy": "dense"} | arguments
    model = load_engine(plain_folder) if given.pop("engine", False) else plain_folder
    with pytest.raises(InputError, match=keyword):
        pipeline(model=model, **given)


@pytest.mark.parametrize("device", ["cpu", -1, torch.device("cpu")])
def test_a_device_is_a_name_a_number_or_an_object(plain_folder, device):
    assert pipeline(model=plain_folder, strategy="dense", dtype="int8", device=device)("") == []  # PyTorch has no int8


def test_what_is_no_text_is_refused(plain_folder):
    for texts in ([7], 7):
        with pytest.raises(InputError, match="texts"):
            pipeline(model=plain_folder, strategy="dense", device=-1, tokenizer=None)(texts)
