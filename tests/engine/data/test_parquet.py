import gzip

import pytest

pytest.importorskip("pyarrow")  # requirements-bulk.txt

import pyarrow as pa
from pyarrow import parquet

from engine.data.formats import read_documents, read_source
from engine.data.formats.parquet import write_entities
from engine.data.reading.source import Source
from engine.errors import InputError
from engine.text.documents import Document, Entity


@pytest.fixture
def path(tmp_path):
    return tmp_path / "texts.parquet"


def write(path, **columns):
    parquet.write_table(pa.table(columns), path, compression="zstd")


def test_texts_are_read_from_two_columns_gzipped_or_not_and_rows_without_an_id_have_their_number(path, tmp_path):
    write(path, id=["a", None, "", " "], text=["Aspirin.", "é", "c", "d"])
    found = [(document.id, document.text) for document in read_documents(path)]
    assert found == [("a", "Aspirin."), ("2", "é"), ("3", "c"), ("4", "d")]
    write(path, pmid=[1], body=["Aspirin."])
    with path.open("rb") as file:
        assert list(read_source(Source(file, "x.parquet", columns=("pmid", "body")))) == [Document("1", "Aspirin.")]
    write(path, id=["1"], text=["Aspirin."])
    raw = path.read_bytes()
    (tmp_path / "texts.parquet.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "notes").write_bytes(raw)
    for name in ("texts.parquet.gz", "notes"):
        assert list(read_documents(tmp_path / name)) == [Document("1", "Aspirin.")]


def test_a_broken_row_is_reported_and_the_others_are_read(path):
    texts = pa.Array.from_buffers(pa.string(), 5, pa.array([b"a", b"h\xe9", b"c", b"d", None], pa.binary()).buffers())
    write(path, id=["1", "2", "3", "1", "5"], text=texts)
    errors = []
    assert [document.id for document in read_documents(path, errors.append)] == ["1", "3"]
    assert [(error.line, error.document) for error in errors] == [(2, "2"), (4, "1"), (5, "5")]
    for error, keyword in zip(errors, ("can't decode byte 0xe9", "unique id", "a text"), strict=True):
        assert keyword in error.problem


def damaged_page(path):
    write(path, id=["1"], text=["Nausea. " * 1000])
    raw = path.read_bytes()
    at = raw.rindex(b"\x28\xb5\x2f\xfd")  # where the last compressed page begins
    path.write_bytes(raw[:at] + bytes(20) + raw[at + 20 :])


@pytest.mark.parametrize(
    ("change", "keyword"),
    [
        (lambda path: write(path, pmid=["1"], text=["a"]), r"without \['id'\].* to engine\.bulk with"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "fetch the file again$"),
        (damaged_page, "fetch the file again$"),
    ],
)
def test_rejects_a_file_that_cannot_be_read(change, keyword, path):
    write(path, id=["1"], text=["a"])
    change(path)
    with pytest.raises(InputError, match=rf"texts\.parquet.*{keyword}"):
        list(read_documents(path))


@pytest.mark.parametrize("number", [0, 3, 20_001])  # more than a row group
def test_entities_are_written_as_rows_in_any_number(number, path):
    entities = tuple(Entity(at, at + 1, "Disease", "b", 0.5) for at in range(number))
    documents = [Document("1", "b" * number, entities, version=1), Document("2\ud83d", "b" * number, entities)]
    with path.open("wb") as file:
        write_entities(file, iter(documents))
    read = parquet.read_table(path)
    assert read.column_names == ["document", "version", "start", "end", "type", "text", "score"]
    rows = read.to_pylist()
    assert [row["start"] for row in rows] == [*range(number), *range(number)]
    if rows:
        assert list(rows[1].values()) == ["1", 1, 1, 2, "Disease", "b", 0.5]
        assert (rows[-1]["document"], rows[-1]["version"]) == ("2?", None)
