"""Parquet: reads texts from two columns and writes entities as rows. Needs pyarrow (``requirements-bulk.txt``).

Each row read is a document; errors give its row number as the line. A row with no id or a blank one gets its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType, TracebackType
from typing import IO, Any

from engine.data.formats.base import Format
from engine.data.reading.checks import Item, Place, attempt
from engine.data.reading.source import Source, readable
from engine.errors import InputError, first_line
from engine.text.documents import Document

START = b"PAR1\x15"  # a text may begin with PAR1, which is a gene, but not followed by this byte
_ROWS_READ = 256
_ROWS_WRITTEN = 20_000  # entities per row group


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError("expected pyarrow for Parquet, got none; pip install -r requirements-bulk.txt") from error
    return pyarrow, parquet


def _read(source: Source) -> Iterator[Item]:
    for number, row in enumerate(_rows(source), start=1):
        yield attempt(source.place(number), partial(_document, *row))


def _rows(source: Source) -> Iterator[tuple[Any, Any]]:
    """Yields ids and texts as pyarrow values, so that a broken value affects only its own row."""
    pyarrow, parquet = _pyarrow()
    columns = list(source.columns)
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
                yield from zip(*(batch.column(column) for column in columns), strict=True)
        except (pyarrow.ArrowException, OSError) as error:  # damaged pages may raise OSError, too
            problem = f"{source.name}: {first_line(error)}"
            raise InputError(f"expected intact Parquet, got {problem}; fetch the file again") from error


def _document(identifier: Any, text: Any, place: Place) -> Document:
    found = identifier.as_py()
    name = place.identify("" if found is None else str(found))
    content = text.as_py()
    if not isinstance(content, str):
        raise place.error(f"expected a text, got {type(content).__name__}; fill it in")
    return Document(name, content)


def _replace_surrogates(value: Any) -> Any:
    """Replaces lone surrogates with ``?``: JSON may contain them as escapes, but UTF-8 cannot hold them."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


class EntityTable:
    """Writes one row per entity: document, version (of a PubMed record), start, end, type, text, score.

    Args:
        file: opened for writing in binary mode; the caller closes it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._arrow, parquet = _pyarrow()
        text, number, score = self._arrow.string(), self._arrow.int32(), self._arrow.float32()
        types = {"document": text, "version": number, "start": number, "end": number}
        self._schema = self._arrow.schema(types | {"type": text, "text": text, "score": score})
        self._rows: list[dict[str, Any]] = []
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, document: Document) -> None:
        """Adds the document's entities."""
        for one in document.entities:
            row: dict[str, Any] = {
                "document": document.id,
                "version": document.version,
                "start": one.start,
                "end": one.end,
            }
            row |= {"type": one.type, "text": one.text, "score": one.score}
            self._rows.append({name: _replace_surrogates(value) for name, value in row.items()})
        if len(self._rows) >= _ROWS_WRITTEN:
            self._write_rows()

    def _write_rows(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
        self._rows.clear()

    def __enter__(self) -> EntityTable:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None and self._rows:
            self._write_rows()
        self._writer.close()


PARQUET = Format("parquet", (".parquet",), lambda head: head.startswith(START), _read)
