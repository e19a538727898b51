import gzip
import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from engine.corpora import load_corpus, loading
from engine.corpora.named import NAMED, File, NamedCorpus, Part
from engine.errors import InputError
from engine.text.documents import Document
from engine.training.corpora import TrainingCorpus, held_out_corpora, parse_corpora
from tests.engine.formats.reading import GOOD, written


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A folder that is served over HTTP, and its address."""
    folder = tmp_path_factory.mktemp("remote")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def small_corpus(monkeypatch, tmp_path, remote):
    """`bc5cdr` with our own files at a local address, and an empty cache."""
    monkeypatch.setattr(loading, "CACHE", tmp_path / "cache")
    monkeypatch.delenv("BIONER_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder, address = remote
    (folder / "small.txt").write_text(GOOD)
    (folder / "packed.txt.gz").write_bytes(gzip.compress(GOOD.encode()))
    (folder / "twice.txt").write_text(GOOD + "\n" + GOOD)

    def file(name, source="nowhere.txt", content=GOOD):
        return File(name, hashlib.sha256(content.encode()).hexdigest(), f"{address}/{source}")

    small, packed = file("small.txt", "small.txt"), file("packed.txt", "packed.txt.gz")
    splits = {
        "train": small,
        "dev": packed,
        "wrong": file("wrong.txt", "small.txt", "other"),
        "dead": file("dead.txt", "dead.txt"),
        "twice": file("twice.txt", content=GOOD + "\n" + GOOD),
        "changed": file("changed.txt"),
    }
    parts = {split: (Part(content),) for split, content in splits.items()}
    parts["fit"] = (Part(small, 1), Part(packed, end=1))
    parts["elsewhere"] = (Part(small, occurring="a test"),)
    parts["nowhere"] = (Part(small, occurring=""),)
    monkeypatch.setitem(loading.NAMED, "bc5cdr", NamedCorpus(("Chemical", "Disease"), parts, skip_bad=True))
    return tmp_path


@pytest.mark.parametrize("inner", ["bc5cdr", "any"])
def test_a_named_corpus_is_found_in_the_data_dir_or_a_folder_there_then_in_the_environment(
    small_corpus, monkeypatch, inner
):
    folder = small_corpus / "mine" / inner
    folder.mkdir(parents=True)
    (folder / "small.txt").write_text(GOOD)
    corpus = load_corpus("bc5cdr", "train", small_corpus / "mine")
    assert [document.id for document in corpus.documents] == ["1", "case-7"]
    assert corpus.types == ("Chemical", "Disease")
    monkeypatch.setenv("BIONER_DATA", str(folder))
    assert load_corpus("bc5cdr", "train").documents == corpus.documents
    assert not (small_corpus / "cache").exists()


@pytest.mark.parametrize(("split", "name"), [("train", "small.txt"), ("dev", "packed.txt.gz")])
def test_a_named_corpus_is_downloaded_once_unpacked_and_checked(small_corpus, remote, split, name):
    assert len(load_corpus("bc5cdr", split).documents) == 2
    (remote[0] / name).unlink()
    assert len(load_corpus("bc5cdr", split).documents) == 2
    assert (small_corpus / "cache" / "bc5cdr" / name.removesuffix(".gz")).read_text() == GOOD


@pytest.mark.parametrize(
    ("split", "ids", "skipped"), [("fit", ["case-7", "1"], 0), ("twice", ["1", "case-7"], 2)], ids=["parts", "repeated"]
)
def test_a_split_is_made_of_parts_of_files_and_what_is_left_out_is_counted(small_corpus, remote, split, ids, skipped):
    corpus = load_corpus("bc5cdr", split, remote[0])
    assert ([document.id for document in corpus.documents], corpus.skipped) == (ids, skipped)


@pytest.mark.parametrize(
    ("split", "keywords"),
    [
        ("dead", ["dead.txt of bc5cdr", "/mine or /", "/cache, or", "/dead.txt (404", "--data-dir"]),
        ("wrong", ["fetched from http", "hash"]),
        ("changed", ["changed.txt has the SHA-256"]),
    ],
)
def test_rejects_a_file_that_is_missing_or_differs_and_does_not_keep_it(small_corpus, split, keywords):
    (small_corpus / "mine").mkdir()
    (small_corpus / "mine" / "changed.txt").write_text(GOOD + "\n")
    with pytest.raises(InputError) as error:
        load_corpus("bc5cdr", split, small_corpus / "mine")
    for keyword in keywords:
        assert keyword in str(error.value)
    assert "\n" not in str(error.value)
    assert not list((small_corpus / "cache").rglob("*.txt"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bc5cdr", {"split": "validation"}, "no split 'validation'"),
        ("no-such-file", {}, "'no-such-file'"),
        (5, {}, "'5'"),
    ],
)
def test_rejects_unknown_corpora_and_splits(name, options, message):
    with pytest.raises(InputError, match=message):
        load_corpus(name, **options)


def test_a_file_scores_types_in_its_gold_and_can_leave_out_broken_documents_but_not_what_is_torn_off(tmp_path, caplog):
    path = tmp_path / "mine.txt"
    path.write_text(GOOD.replace("1\t0\t7\tAspirin", "1\t0\t7\tIbuprofen"))
    with pytest.raises(InputError, match=r"mine.txt:3: document 1"):
        load_corpus(str(path))
    corpus = load_corpus(str(path), skip_bad=True)
    assert ([d.id for d in corpus.documents], corpus.types, corpus.skipped) == (["case-7"], ("Disease",), 1)
    assert "mine.txt:3: document 1: The text at 0–7 is 'Aspirin', not 'Ibuprofen'" in caplog.text
    documents = [Document(str(number), "Nausea after aspirin.") for number in range(3)]
    (tmp_path / "torn.xml").write_text(written("bioc", *documents).removesuffix("</collection>\n"))
    with pytest.raises(InputError, match="nothing after this place was read"):
        load_corpus(str(tmp_path / "torn.xml"), skip_bad=True)


def ids_of(*corpora):
    return {document.id for corpus in corpora for document in corpus.documents}


@pytest.mark.slow
def test_fit_and_calib_share_no_document_with_each_other_or_with_test():
    fit, calib, test = (ids_of(load_corpus("bc5cdr", split)) for split in ("fit", "calib", "test"))
    assert (len(fit), len(calib), len(test), len(fit | calib | test)) == (800, 200, 500, 1500)
    assert calib == set(Path(__file__).with_name("bc5cdr-calib.txt").read_text().split())
    others = [load_corpus(name, split) for name in ("bc5cdr", "ncbi-disease") for split in ("dev", "test")]
    biored = [load_corpus("biored", split) for split in ("fit", "dev")]
    assert ids_of(*biored).isdisjoint(ids_of(*others))


@pytest.mark.parametrize(("split", "ids"), [("elsewhere", ["1"]), ("nowhere", ["case-7"]), ("train", ["1", "case-7"])])
def test_a_split_may_be_the_documents_that_occur_elsewhere_or_nowhere_else(
    small_corpus, remote, monkeypatch, split, ids
):
    monkeypatch.setattr(loading, "occurrences", lambda: {"1": "a test"})
    assert [document.id for document in load_corpus("bc5cdr", split, remote[0]).documents] == ids


def test_own_type_names_become_ours_and_types_that_a_corpus_does_not_annotate_are_left_out(small_corpus, monkeypatch):
    splits = NAMED["bc5cdr"].splits
    monkeypatch.setitem(NAMED, "bc5cdr", NamedCorpus(("Illness",), splits, {"Disease": "Illness"}))
    documents = load_corpus("bc5cdr", "train").documents
    assert {entity.type for document in documents for entity in document.entities} == {"Illness"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "split", "documents", "skipped"),
    [
        ("ncbi-disease", "train", 592, 1),
        ("biored", "fit", 260, 0),
        ("biored", "dev", 60, 0),
    ],
)
def test_documents_and_types_of_the_splits_that_teach_or_choose(name, split, documents, skipped):
    corpus = load_corpus(name, split)
    assert (len(ids_of(corpus)), len(corpus.documents), corpus.skipped) == (documents, documents, skipped)
    assert {entity.type for document in corpus.documents for entity in document.entities} == set(NAMED[name].types)


def test_a_corpus_is_named_with_its_split_types_and_windows_per_epoch():
    given = "bc5cdr:fit,ncbi-disease my genes.txt types=Gene,Variant hf:owner/name hf:owner/name:dev per-epoch=1500"
    assert parse_corpora(given.replace("my genes", "my_genes").split()) == [
        TrainingCorpus("bc5cdr", "fit"),
        TrainingCorpus("ncbi-disease"),
        TrainingCorpus("my_genes.txt", types=("Gene", "Variant")),
        TrainingCorpus("hf:owner/name"),
        TrainingCorpus("hf:owner/name", "dev", per_epoch=1500),
    ]
    assert parse_corpora(["a file = mine.txt"]) == [TrainingCorpus("a file = mine.txt")]
    assert parse_corpora(["a", "types=Gene,Gene"]) == [TrainingCorpus("a", types=("Gene",))]
    splits = [corpus.split for corpus in held_out_corpora(["bc5cdr,ncbi-disease,bc5cdr:test"])]
    assert splits == ["calib", "dev", "test"], "nothing shipped learned from these"


@pytest.mark.parametrize("given", ["types=Gene", "a types=", "a types=Gene,", "a per-epoch=0", "a per-epoch=some"])
def test_what_follows_the_name_of_a_corpus_is_checked(given):
    with pytest.raises(InputError, match=given.split()[-1]):
        parse_corpora(given.split())


def test_types_that_a_file_does_not_annotate_with_care_are_left_out(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(GOOD)
    every, some = TrainingCorpus(str(path)).load(), TrainingCorpus(str(path), types=("Chemical",)).load()
    assert (every.types, some.types) == (("Chemical", "Disease"), ("Chemical",))
    assert {entity.type for document in some.documents for entity in document.entities} == {"Chemical"}
    with pytest.raises(InputError, match="has no Gene, only Chemical, Disease"):
        TrainingCorpus(str(path), types=("Gene",)).load()
