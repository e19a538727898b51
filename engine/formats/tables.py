"""Tables, CSV or TSV, with a line of column names: ``text`` is required, ``id`` may be there, others are ignored.

Cells are separated by commas, semicolons or tabs, and quoted as spreadsheets do.
"""

import csv
from collections.abc import Iterator

from engine.formats.base import Format, Source
from engine.formats.checks import Place
from engine.text.documents import Document

csv.field_size_limit(2**31 - 1)  # characters of a cell


def _records(source: Source) -> Iterator[tuple[int, dict[str, str]]]:
    # Broken bytes survive as surrogates, so that each costs its row alone.
    lines = (line.decode("utf-8", "surrogateescape").removeprefix("\ufeff") for line in source.lines())
    header = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if names.count("text") != 1:
        wanted = "a table whose first line names a column text, and perhaps id"
        raise source.place(1).error(f"expected {wanted}, got the line {header.strip()[:80]!r}; name the columns")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    line = first = source.line + 1
    try:
        for cells in rows:
            if len(cells) not in (0, len(names)):
                problem = f"expected {len(names)} cells, got {len(cells)}; quote cells that hold {delimiter!r}"
                yield line, {"problem": problem}
            elif any(cells):
                yield line, dict(zip(names, cells, strict=True))
            line = first + rows.line_num
    except csv.Error as error:
        raise source.place(line).error(f"expected a table, got {error}; fix the quotes") from error


def _document(row: dict[str, str], place: Place) -> Document:
    identifier = place.identify(row.get("id", "").strip())
    if problem := row.get("problem"):
        raise place.error(problem)
    return Document(identifier, place.decode(row["text"].encode("utf-8", "surrogateescape")))


TABLE = Format("table", (".csv", ".tsv"), lambda head: False, _records, _document)
