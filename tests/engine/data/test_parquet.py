import gzip
import os
import threading

import pytest

pytest.importorskip("pyarrow")  # requirements-bulk.txt

import pyarrow as pa
from pyarrow import parquet

from engine.data.formats import read_documents, read_stream
from engine.data.formats.parquet import EntityTable
from engine.errors import InputError
from engine.text.documents import Document, Entity


def write(path, **columns):
    parquet.write_table(pa.table(columns), path)


def test_texts_are_read_from_two_columns(tmp_path):
    path = tmp_path / "texts.parquet"
    write(path, id=[1, 2], text=["Aspirin.", "é"])
    assert list(read_documents(path)) == [Document("1", "Aspirin."), Document("2", "é")]
    write(path, pmid=["1"], body=["Aspirin."])
    with path.open("rb") as file:
        assert list(read_stream(file, "x.parquet", columns=("pmid", "body"))) == [Document("1", "Aspirin.")]


def test_it_may_be_gzipped_and_is_recognised_by_content(tmp_path):
    write(tmp_path / "texts.parquet", id=["1"], text=["Aspirin."])
    raw = (tmp_path / "texts.parquet").read_bytes()
    (tmp_path / "texts.parquet.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "notes").write_bytes(raw)
    for name in ("texts.parquet.gz", "notes"):
        assert list(read_documents(tmp_path / name)) == [Document("1", "Aspirin.")]


def test_a_gzipped_file_may_not_grow_without_bound(tmp_path):
    text = pa.table({"id": ["1"], "text": [" " * 60_000_000]})
    parquet.write_table(text, tmp_path / "texts.parquet", compression="none", use_dictionary=False)
    (tmp_path / "texts.parquet.gz").write_bytes(gzip.compress((tmp_path / "texts.parquet").read_bytes()))
    with pytest.raises(InputError, match=r"expected at most 1\d,.* bytes in .*, got more; unpack the file first"):
        list(read_documents(tmp_path / "texts.parquet.gz"))


def test_a_pipe_is_read(tmp_path):
    write(tmp_path / "texts.parquet", id=["1"], text=["Aspirin."])
    os.mkfifo(tmp_path / "pipe")
    raw = (tmp_path / "texts.parquet").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(raw,))
    writer.start()
    assert list(read_documents(tmp_path / "pipe")) == [Document("1", "Aspirin.")]
    writer.join()


def test_rows_without_text_or_with_an_id_that_is_taken_are_reported(tmp_path):
    path = tmp_path / "texts.parquet"
    write(path, id=["1", "2", "1"], text=["a", None, "b"])
    errors = []
    assert [document.text for document in read_documents(path, errors.append)] == ["a"]
    assert [(error.line, error.document) for error in errors] == [(2, "2"), (3, "1")]


def test_rows_without_an_id_have_their_number(tmp_path):
    path = tmp_path / "texts.parquet"
    write(path, id=["a", None, "", " "], text=["a", "b", "c", "d"])
    assert [document.id for document in read_documents(path)] == ["a", "2", "3", "4"]


def test_a_row_that_is_not_utf_8_is_reported_and_the_others_are_read(tmp_path):
    path = tmp_path / "texts.parquet"
    texts = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"h\xe9", b"c"], pa.binary()).buffers())
    write(path, id=["1", "2", "3"], text=texts)
    errors = []
    assert [document.id for document in read_documents(path, errors.append)] == ["1", "3"]
    assert [(error.line, error.document) for error in errors] == [(2, "2")]
    assert "can't decode byte 0xe9" in errors[0].problem


def test_the_remedy_for_a_damaged_page_is_not_its_path(tmp_path):
    path = tmp_path / "texts.parquet"
    parquet.write_table(pa.table({"id": ["1"], "text": ["Nausea. " * 1000]}), path, compression="zstd")
    raw = path.read_bytes()
    at = raw.rindex(b"\x28\xb5\x2f\xfd")  # where the last compressed page begins
    path.write_bytes(raw[:at] + bytes(20) + raw[at + 20 :])
    with pytest.raises(InputError, match=r"texts\.parquet: .*; fetch the file again$"):
        list(read_documents(path))


def test_a_missing_column_and_a_broken_file_are_errors(tmp_path):
    path = tmp_path / "texts.parquet"
    write(path, pmid=["1"], text=["a"])
    with pytest.raises(
        InputError, match=r"expected columns \['id', 'text'\] in .*without \['id'\].* to engine\.bulk with"
    ):
        list(read_documents(path))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"expected .*texts\.parquet"):
        list(read_documents(path))


def test_entities_are_written_as_rows_in_any_number(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.data.formats.parquet._ROWS_WRITTEN", 3)
    path = tmp_path / "entities.parquet"
    with path.open("wb") as file, EntityTable(file) as table:
        for number in range(5):
            entities = (Entity(0, 1, "Chemical", "a", 0.5), Entity(2, 3, "Disease", "b", 1.0))
            table.write(Document(str(number), "a b", entities, version=number or None))
    rows = parquet.read_table(path).to_pylist()
    assert len(rows) == 10
    assert rows[3] == {
        "document": "1",
        "version": 1,
        "start": 2,
        "end": 3,
        "type": "Disease",
        "text": "b",
        "score": 1.0,
    }
    assert rows[0]["version"] is None


def test_no_entity_is_a_table_without_rows(tmp_path):
    path = tmp_path / "entities.parquet"
    with path.open("wb") as file, EntityTable(file):
        pass
    assert parquet.read_table(path).column_names[:4] == ["document", "version", "start", "end"]
