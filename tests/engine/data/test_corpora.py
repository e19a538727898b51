import gzip
import hashlib

import pytest

from engine.data import corpora
from engine.data.corpora import calib_ids, load_corpus
from engine.errors import InputError
from tests.engine.data.test_formats import GOOD


@pytest.fixture
def small_corpus(monkeypatch, tmp_path):
    """`bc5cdr` with a training file of our own, an empty cache and an address in a local folder."""
    monkeypatch.setattr(corpora, "CACHE", tmp_path / "cache")
    monkeypatch.delenv("BIONER_DATA", raising=False)
    remote = tmp_path / "remote" / "small.txt.gz"
    remote.parent.mkdir()
    remote.write_bytes(gzip.compress(GOOD.encode()))
    file = corpora._File("small.txt", remote.as_uri(), hashlib.sha256(GOOD.encode()).hexdigest())
    monkeypatch.setitem(corpora.NAMED["bc5cdr"].files, "train", file)
    return tmp_path


def test_a_named_corpus_is_found_in_the_data_dir_then_the_environment(small_corpus, monkeypatch):
    folder = small_corpus / "mine" / "bc5cdr"
    folder.mkdir(parents=True)
    (folder / "small.txt").write_text(GOOD)
    corpus = load_corpus("bc5cdr", "train", small_corpus / "mine")
    assert [document.id for document in corpus.documents] == ["1", "case-7"]
    assert corpus.types == ("Chemical", "Disease")
    monkeypatch.setenv("BIONER_DATA", str(folder))
    assert load_corpus("bc5cdr", "train").documents == corpus.documents
    assert not (small_corpus / "cache").exists()


def test_a_named_corpus_is_downloaded_once_unpacked_and_checked(small_corpus):
    assert len(load_corpus("bc5cdr", "train").documents) == 2
    (small_corpus / "remote" / "small.txt.gz").unlink()
    assert len(load_corpus("bc5cdr", "train").documents) == 2


def test_a_corpus_nowhere_to_be_found_lists_what_was_tried(small_corpus):
    (small_corpus / "remote" / "small.txt.gz").unlink()
    with pytest.raises(InputError) as error:
        load_corpus("bc5cdr", "train", small_corpus / "mine")
    for place in ("mine/bc5cdr/small.txt", "cache/bc5cdr/small.txt", "remote/small.txt.gz", "--data-dir"):
        assert place in str(error.value)


def test_a_file_that_differs_is_refused(small_corpus):
    (small_corpus / "small.txt").write_text(GOOD + "\n")
    with pytest.raises(InputError, match="expected SHA-256"):
        load_corpus("bc5cdr", "train", small_corpus)


@pytest.mark.parametrize(
    ("name", "split"), [("bc5cdr", "validation"), ("ncbi-disease", "calib"), ("no-such-file", "test")]
)
def test_unknown_names_and_splits_are_refused(name, split):
    with pytest.raises(InputError, match=r"expected a (split|corpus)"):
        load_corpus(name, split)


def test_a_file_scores_the_types_in_its_gold_and_can_leave_out_broken_documents(tmp_path, caplog):
    path = tmp_path / "mine.txt"
    path.write_text(GOOD.replace("1\t0\t7\tAspirin", "1\t0\t7\tIbuprofen"))
    with pytest.raises(InputError, match=r"mine.txt:3: document 1"):
        load_corpus(str(path))
    corpus = load_corpus(str(path), skip_bad=True)
    assert ([d.id for d in corpus.documents], corpus.types, corpus.skipped) == (["case-7"], ("Disease",), 1)
    assert "mine.txt:3: document 1: expected 'Ibuprofen'" in caplog.text


def test_limit_takes_the_first_documents(tmp_path):
    (tmp_path / "mine.txt").write_text(GOOD)
    assert [d.id for d in load_corpus(str(tmp_path / "mine.txt"), limit=1).documents] == ["1"]


@pytest.mark.slow
def test_fit_and_calib_share_no_document_with_each_other_or_with_test():
    ids = {split: {d.id for d in load_corpus("bc5cdr", split).documents} for split in ("fit", "calib", "test")}
    assert [len(ids[split]) for split in ("fit", "calib", "test")] == [800, 200, 500]
    assert ids["calib"] == calib_ids()
    assert not ids["fit"] & ids["calib"]
    assert not (ids["fit"] | ids["calib"]) & ids["test"]


@pytest.mark.slow
def test_ncbi_disease_has_one_type_and_no_document_twice():
    corpus = load_corpus("ncbi-disease", "train")
    assert len(corpus.documents) == len({d.id for d in corpus.documents}) == 592
    assert {e.type for d in corpus.documents for e in d.entities} == {"Disease"}
