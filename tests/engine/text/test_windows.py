"""Rule 4: every word gets a label, each from the window in which it is farthest from an edge."""

import json
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizer

from engine.errors import InputError
from engine.models.tokenizer import load_tokenizer, word_pieces
from tests.conftest import pieces_of, write_vocabulary
from tests.engine.pytorch.families import SQUARE, every_family, tokenizer_of

WORDS = st.lists(
    st.sampled_from(["a", "and", "famotidine", "hypotension", "x1y2z3", "\x00", "\u200b", "語", "ß"]), max_size=60
)


@pytest.fixture(scope="module")
def pieces(tokenizer):
    return pieces_of(tokenizer, max_rows=32)


@given(words=WORDS)
def test_every_word_is_owned_once_by_the_window_in_which_it_is_farthest_from_an_edge(pieces, words):
    windows = pieces.windows(words)

    def distance(window, index):
        rows = np.flatnonzero(window.word == index - window.first)
        left = np.inf if window.first == 0 else rows.mean() - 0.5
        right = np.inf if window.first + window.num_words == len(words) else len(window.word) - 1.5 - rows.mean()
        return min(left, right)

    assert [index for window in windows for index in range(window.label_start, window.label_end)] == list(
        range(len(words))
    )
    for window in windows:
        assert len(window.input_ids) == len(window.word) <= 32
        assert (window.input_ids[0], window.input_ids[-1]) == (pieces.cls_id, pieces.sep_id)
        assert sorted(set(window.word[1:-1].tolist())) == list(range(window.num_words))
        assert window.first <= window.label_start < window.label_end <= window.first + window.num_words
        for index in range(window.label_start, window.label_end):
            others = [w for w in windows if w.first <= index < w.first + w.num_words]
            assert distance(window, index) == max(distance(other, index) for other in others)


@given(words=WORDS)
def test_what_is_cached_of_a_word_does_not_change_its_pieces(tokenizer, pieces, words):
    fresh = pieces_of(tokenizer, max_rows=32)
    assert [part.tolist() for part in pieces.pieces(words)] == [part.tolist() for part in fresh.pieces(words)]


def test_the_tokenizers_own_truncation_and_padding_do_not_reach_us(tokenizer):
    limited = deepcopy(tokenizer)
    limited.backend_tokenizer.enable_truncation(4)
    limited.backend_tokenizer.enable_padding(length=100)
    ids, _ = pieces_of(limited, 512).pieces(["nausea"] * 20)
    assert len(ids) == 20


@pytest.mark.parametrize(
    ("cased", "setting", "added", "word", "pieces"),
    [
        (True, None, [], "Chemical", ["Chem", "##ical"]),  # BioBERT's files: a vocabulary and no settings
        (True, True, [], "Chem", ["c", "##h", "##e", "##m"]),  # fine-tuned from them with the library's defaults
        (False, None, [], "Nausea", ["nausea"]),
        (False, True, ["GENE"], "Nausea", ["nausea"]),  # an added token makes no vocabulary cased
    ],
)
def test_case_is_kept_where_the_vocabulary_has_capitals_unless_set(cased, setting, added, word, pieces, tmp_path):
    write_vocabulary(tmp_path, cased=cased, config=False)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    folder = tmp_path
    if setting is not None:
        tokenizer, folder = AutoTokenizer.from_pretrained(tmp_path, do_lower_case=setting), tmp_path / "saved"
        tokenizer.add_tokens(added)
        tokenizer.save_pretrained(folder)
        (folder / "config.json").write_text('{"model_type": "bert"}')
    assert load_tokenizer(folder).tokenize(word) == pieces


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "xlm-roberta"])
@given(words=st.lists(st.text(min_size=1), min_size=1, max_size=20))
def test_every_word_has_a_piece_in_every_kind_of_tokenizer(family, words):
    ids, word = pieces_of(tokenizer_of(family), max_rows=32).pieces(words)
    assert len(ids) == len(word)
    assert sorted(set(word.tolist())) == list(range(len(words)))


WORD_LIST = ["Famotidine", "-", "associated", "20", "α", "語", "mg", "naïve", "GENE"]


@every_family
def test_pieces_are_those_that_hugging_face_gives_words_with_a_blank_before_each(family, tmp_path):
    """They are read without transformers."""
    tokenizer = deepcopy(tokenizer_of(family))
    tokenizer.add_tokens(["GENE"])
    tokenizer.save_pretrained(tmp_path)
    pieces = word_pieces(tmp_path, 100, 10_000)
    assert (pieces.cls_id, pieces.sep_id) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert pieces.unk_id == tokenizer.unk_token_id
    ids, word = pieces.pieces(WORD_LIST)
    expected = [tokenizer(" " + text, add_special_tokens=False)["input_ids"] for text in WORD_LIST]
    assert ids.tolist() == [piece for pieces in expected for piece in pieces]
    assert word.tolist() == [index for index, pieces in enumerate(expected) for _ in pieces]
    (window,) = pieces.windows(WORD_LIST[:1])
    assert window.input_ids.tolist() == tokenizer(" " + WORD_LIST[0])["input_ids"]
    assert window.word.tolist() == [-1, *[0] * len(expected[0]), -1]


@pytest.mark.parametrize("cased", [True, False])
def test_a_folder_without_tokenizer_json_has_the_same_pieces(cased, tmp_path):
    write_vocabulary(tmp_path, cased=cased)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    tokenizer = load_tokenizer(tmp_path)
    words = ["Famotidine", "Chemical", "é"]
    before = word_pieces(tmp_path, 100, 10_000).pieces(words)[0].tolist()
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()
    assert word_pieces(tmp_path, 100, 10_000).pieces(words)[0].tolist() == before
    assert before == tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]


TOKENIZER_SETTINGS = [
    {"do_lower_case": False},
    {"strip_accents": False},
    {"do_lower_case": False, "strip_accents": True},
    {"tokenize_chinese_chars": False},
]


@pytest.mark.parametrize("settings", TOKENIZER_SETTINGS, ids=str)
@pytest.mark.parametrize("kind", ["BertTokenizer", "DistilBertTokenizerFast", "PreTrainedTokenizerFast"])
def test_tokenizer_config_overrides_tokenizer_json_as_in_transformers(kind, settings, tmp_path):
    entries = [*SQUARE.values(), "na", "##i", "##ï", "##ve", "Na", "語", "##語"]
    BertTokenizer(vocab={entry: number for number, entry in enumerate(entries)}).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(SQUARE | {"tokenizer_class": kind} | settings))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    words = ["naïve", "Naive", "語語"]
    expected = AutoTokenizer.from_pretrained(tmp_path)(words, is_split_into_words=True, add_special_tokens=False)
    assert word_pieces(tmp_path, 100, 100).pieces(words)[0].tolist() == expected["input_ids"]


def test_begin_and_end_of_a_sequence_stand_in_for_cls_and_sep(tmp_path):
    tokenizer = deepcopy(tokenizer_of("modernbert"))
    begin, end = tokenizer.cls_token, tokenizer.sep_token
    tokenizer.backend_tokenizer.post_processor = None
    tokenizer.cls_token = tokenizer.sep_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no cls_token"):
        word_pieces(tmp_path, 100, 10_000)
    tokenizer.bos_token, tokenizer.eos_token = begin, end
    tokenizer.save_pretrained(tmp_path)
    pieces = word_pieces(tmp_path, 100, 10_000)
    assert (pieces.cls_id, pieces.sep_id) == (0, 2)
