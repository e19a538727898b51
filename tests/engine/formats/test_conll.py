"""CoNLL and Hugging Face datasets."""

import sys

import pytest

from engine.corpora import load_corpus
from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity
from tests.engine.formats.reading import sound, written

CONLL = """-DOCSTART-\tO

Aspirin\tB-Chemical
helped\tO

breast\tB-Disease
cancer\tI-Disease
.\tO

-DOCSTART-\tO

Nausea\tI-Disease
"""


def test_documents_are_parted_by_docstart_or_are_sentences_and_an_inside_tag_may_begin_an_entity():
    first, second = sound(CONLL, "a.conll")
    assert first.text == "Aspirin helped\nbreast cancer ."
    assert first.entities == (Entity(0, 7, "Chemical", "Aspirin"), Entity(15, 28, "Disease", "breast cancer"))
    assert second == Document("a-2", "Nausea", (Entity(0, 6, "Disease", "Nausea"),))
    text = CONLL.replace("-DOCSTART-\tO\n\n", "").replace("\t", " NN ").replace("\n", "\r\n")
    assert [document.text for document in sound(text, "a.iob2")] == ["Aspirin helped", "breast cancer .", "Nausea"]


def test_words_are_cut_where_an_entity_ends_inside_one_and_a_blank_id_becomes_the_files_name():
    document = Document(" ", "anticonvulsants help", (Entity(4, 14, "Chemical", "convulsant"),))
    text = written("conll", document)
    assert "anti\tO\nconvulsant\tB-Chemical\ns\tO\nhelp\tO\n" in text
    assert sound(text, "a.conll") == [Document("a-1", document.text, document.entities)]


def class_labels(tokens, tags, folder):
    """Saves a dataset whose tags are class labels."""
    datasets = pytest.importorskip("datasets")

    def features(kind):
        strings = datasets.Sequence(datasets.Value("string"))
        return datasets.Features({"tokens": strings, "ner_tags": datasets.Sequence(kind)})

    table = datasets.Dataset.from_dict({"tokens": tokens, "ner_tags": tags}, features(datasets.Value("int64")))
    # The library does not check the values of class labels in a table.
    named = features(datasets.ClassLabel(names=["O", "B-Chemical", "I-Chemical"]))
    split = datasets.Dataset(table.data, datasets.DatasetInfo(features=named))
    datasets.DatasetDict({"validation": split}).save_to_disk(folder)


def test_a_dataset_of_tokens_and_class_labels_is_a_corpus(tmp_path):
    class_labels([["Valproic", "acid", "helped"], ["No", "drug"]], [[1, 2, 0], [0, 0]], tmp_path)
    corpus = load_corpus(f"hf:{tmp_path}", "dev")
    assert corpus.documents == (
        Document(f"{tmp_path.name}-1", "Valproic acid helped", (Entity(0, 13, "Chemical", "Valproic acid"),)),
        Document(f"{tmp_path.name}-2", "No drug"),
    )
    assert (corpus.split, corpus.types) == ("dev", ("Chemical",))
    with pytest.raises(InputError, match=r"hf:.* no split 'test', only validation"):
        load_corpus(f"hf:{tmp_path}", "test")


@pytest.mark.parametrize("tag", [-100, None, 3])
def test_a_broken_row_is_named_and_can_be_left_out(tag, tmp_path):
    class_labels([["Valproic", "acid"], ["aspirin"]], [[1, tag], [1]], tmp_path)
    with pytest.raises(FormatError, match=f":1: document .*-1: Class labels are from 0 to 2, .*{tag}"):
        load_corpus(f"hf:{tmp_path}", "dev")
    corpus = load_corpus(f"hf:{tmp_path}", "dev", skip_bad=True)
    assert ([document.text for document in corpus.documents], corpus.skipped) == (["aspirin"], 1)


def test_rejects_a_dataset_that_cannot_be_loaded(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [["?"]]}).save_to_disk(tmp_path / "tags")
    with pytest.raises(FormatError, match="not O, B-TYPE or I-TYPE"):
        load_corpus(f"hf:{tmp_path}/tags", "dev")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"hf:.*/empty"):
        load_corpus(f"hf:{tmp_path}/empty")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install .*\[baselines\]"):
        load_corpus(f"hf:{tmp_path}")
