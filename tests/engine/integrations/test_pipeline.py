"""`engine.pipeline` answers as ``transformers.pipeline`` does."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from transformers.pipelines.pt_utils import KeyDataset

from engine import InputError, load_engine, pipeline
from engine.pruning.controllers import EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.text.words import split_words
from tests.conftest import TEXT

TEXTS = [
    "Nausea.",
    "",
    TEXT,
    "\n del Nausea  and\n\nfamotidine-(x),α ",
    "naïve 語 nausea\x00 [SEP] and",
    "Nausea after del",
    "Nausea <pad> and <pad><pad> del",
]
LONG = TEXT * 8
TASK = "token-classification"


@pytest.fixture(params=["bert", "roberta", "xlm-roberta", "modernbert"])
def folder(request, folders):
    """A checkpoint for WordPiece, byte-level pieces (two kinds) or SentencePiece."""
    return folders(request.param)


def pair(folder, **options):
    """Hugging Face's pipeline and ours."""
    theirs = transformers.pipeline(TASK, model=str(folder), device="cpu", **options)
    return theirs, pipeline(TASK, model=folder, strategy="dense", **options)


def same(ours, theirs):
    """Whether two lists of answers are equal, including value types, with scores to 1e-4."""
    assert [list(one) for one in ours] == [list(one) for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert {key: type(value) for key, value in one.items()} == {key: type(value) for key, value in other.items()}
        assert one | {"score": 0} == other | {"score": 0}
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)


def test_all_pieces_of_a_word_have_its_probabilities_and_nothing_is_truncated(folder):
    tagger = pipeline(model=folder, strategy="dense", ignore_labels=[])
    starts = [start for start, _ in split_words(TEXT)]
    of_words = defaultdict(set)
    for answer in tagger(TEXT):
        of_words[int(np.searchsorted(starts, answer["end"]))].add((answer["entity"], float(answer["score"])))
    assert all(len(of_word) == 1 for of_word in of_words.values())
    answers = tagger(LONG)
    assert [answer["index"] for answer in answers] == list(range(1, len(answers) + 1))
    assert answers[-1]["end"] == len(LONG)
    assert len(answers) > 200


def test_where_a_words_first_piece_counts_dense_answers_as_hugging_face_does(plain_folder):
    theirs, ours = pair(plain_folder, aggregation_strategy="first", batch_size=2)
    expected, dataset = theirs(TEXTS), KeyDataset([{"text": text} for text in TEXTS], "text")
    assert len({answer["entity_group"] for answers in expected for answer in answers}) > 1
    found = [map(ours, TEXTS), ours(TEXTS), ours(TEXTS, batch_size=3), ours(text for text in TEXTS), ours(dataset)]
    for answers in found:
        for one, other in zip(answers, expected, strict=True):
            same(one, other)
    assert not isinstance(found[-1], list), "datasets stream"
    # Some versions of Hugging Face's turn a generator into a list.
    assert isinstance(found[-2], list) == isinstance(theirs(text for text in TEXTS), list)


def test_windows_of_hugging_faces_own_are_used_where_a_stride_is_given(plain_folder):
    theirs, ours = pair(plain_folder, aggregation_strategy="first", stride=20)
    theirs.tokenizer.model_max_length = ours.tokenizer.model_max_length = 64
    expected = theirs(LONG)
    for batch_size in (1, 3):
        same(ours(LONG, batch_size=batch_size), expected)


HALF = Strategy("half", (1, 2), EntropyController(1.0, 0, min_keep_ratio=0.5, exit_entities=True))
ALL = Strategy("all", (1,), EntropyController(1.0, 0, exit_entities=True))
RECOVERING = replace(ALL, recovery=Recovery("confidence", min_confidence=1.0))


@pytest.mark.parametrize("strategy", [HALF, RECOVERING, "truncate-1", "dense"])
def test_the_first_piece_of_each_word_has_the_words_own_label_if_words_exit(engine, strategy):
    tagger = pipeline(model=engine, strategy=strategy, ignore_labels=[])
    for text in (TEXT, LONG):
        result = engine.tag(text, tagger.model.strategy)
        answers = {answer["start"]: answer for answer in tagger(text)}
        own = [answers[start] for start, _ in result.words]
        assert [answer["entity"] for answer in own] == [engine.labels.names[i] for i in result.probabilities.argmax(1)]
        np.testing.assert_allclose([answer["score"] for answer in own], result.probabilities.max(1), atol=1e-5)
    assert any(engine.tag(text, RECOVERING).recovered for text in (TEXT, LONG)), "some of them come back"


def test_the_engines_own_settings_hold_and_entropy_is_the_default(engine, plain_folder):
    assert pipeline(model=engine).model.strategy == engine.strategy("entropy:balanced")
    own = load_engine(plain_folder, dtype="bfloat16")
    tagger = pipeline("ner", model=own, strategy="dense")
    assert tagger.model.engine is own
    for device in (-1, None, "cpu"):
        own = pipeline(model=plain_folder, strategy="dense", device=device, tokenizer=None)
        assert own.device == torch.device("cpu")
        assert (own.task, own.dtype) == ("token-classification", torch.float32)


def test_what_is_no_text_is_refused_as_hugging_face_does(plain_folder):
    for tagger in pair(plain_folder):
        with pytest.raises(ValueError, match="must be an untokenized string"):
            tagger([7])


@pytest.mark.parametrize(
    ("arguments", "keyword"),
    [
        ({"task": "summarization"}, "the task token-classification or ner"),
        ({"aggregation_strategy": "foo"}, "aggregation_strategy as one of none, simple"),
        ({"tokenizer": "x"}, r"got \['tokenizer'\]; leave it out"),
        ({"torch_dtype": torch.bfloat16}, r"got \['torch_dtype'\]; write dtype"),
        ({"device": 7}, "a device of this machine"),
        ({"engine": True, "dtype": "int8"}, "no dtype beside an engine"),
    ],
)
def test_what_cannot_run_is_refused_at_once(plain_folder, arguments, keyword):
    given = {"strategy": "dense"} | arguments
    model = load_engine(plain_folder) if given.pop("engine", False) else plain_folder
    with pytest.raises(InputError, match=keyword):
        pipeline(model=model, **given)
