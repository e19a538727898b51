"""Parquet: reads texts from two columns and writes entities as rows. Needs pyarrow (``requirements-bulk.txt``).

Each row read is a document; errors give its row number as the line. A row with no id or a blank one gets its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice
from types import ModuleType
from typing import IO, Any

from engine.data.formats.base import Format
from engine.data.reading.checks import Place
from engine.data.reading.source import Source, readable
from engine.errors import InputError, first_line
from engine.text.documents import Document

START = b"PAR1\x15"  # a text may begin with PAR1, which is a gene, but not followed by this byte
_ROWS_READ = 256
_ROWS_WRITTEN = 20_000  # entities per row group


def import_pyarrow() -> tuple[ModuleType, ModuleType]:
    """Returns the modules ``pyarrow`` and ``pyarrow.parquet``; raises an `InputError` if they are not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError("expected pyarrow for Parquet, got none; pip install -r requirements-bulk.txt") from error
    return pyarrow, parquet


def _records(source: Source) -> Iterator[tuple[int, tuple[Any, Any]]]:
    """Yields ids and texts as pyarrow values, so that a broken value affects only its own row."""
    pyarrow, parquet = import_pyarrow()
    columns, numbers = list(source.columns), count(1)
    with readable(source.name):
        file = source.seekable()
        try:
            table = parquet.ParquetFile(file)
            if missing := set(columns) - set(table.schema_arrow.names):
                raise InputError(
                    f"expected columns {columns} in {source.name}, got {table.schema_arrow.names} without "
                    f"{sorted(missing)}; rename them, or name them to engine.bulk with --id-column and --text-column"
                )
            for batch in table.iter_batches(_ROWS_READ, columns=columns):
                yield from zip(numbers, zip(*map(batch.column, columns), strict=True), strict=False)
        except (pyarrow.ArrowException, OSError) as error:  # damaged pages may raise OSError, too
            problem = f"{source.name}: {first_line(error)}"
            raise InputError(f"expected intact Parquet, got {problem}; fetch the file again") from error


def _document(row: tuple[Any, Any], place: Place) -> Document:
    found = row[0].as_py()
    name = place.identify("" if found is None else str(found))
    text = row[1].as_py()
    if not isinstance(text, str):
        raise place.error(f"expected a text, got {type(text).__name__}; fill it in")
    return Document(name, text)


def write_entities(file: IO[bytes], documents: Iterable[Document]) -> None:
    """Writes one row per entity: document, version (of a PubMed record), start, end, type, text, score."""
    pyarrow, parquet = import_pyarrow()
    text, number = pyarrow.string(), pyarrow.int32()
    types = {"document": text, "version": number, "start": number, "end": number, "type": text, "text": text}
    schema = pyarrow.schema(types | {"score": pyarrow.float32()})
    rows = (
        {
            "document": _replace_surrogates(document.id),
            "version": document.version,
            "start": one.start,
            "end": one.end,
            "type": _replace_surrogates(one.type),
            "text": _replace_surrogates(one.text),
            "score": one.score,
        }
        for document in documents
        for one in document.entities
    )
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(rows, _ROWS_WRITTEN)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))


def _replace_surrogates(text: str) -> str:
    """Replaces lone surrogates with ``?``: JSON may contain them as escapes, but UTF-8 cannot hold them."""
    return text.encode("utf-8", "replace").decode()


PARQUET = Format("parquet", (".parquet",), lambda head: head.startswith(START), _records, _document)
