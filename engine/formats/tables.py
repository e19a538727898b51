"""Tables, CSV or TSV, with a line of column names: ``text`` is required, ``id`` or ``pmid`` is an id.

Other columns are ignored. Cells are separated by commas, semicolons or tabs, and quoted as spreadsheets do.
"""

import csv
from collections.abc import Iterator

from engine.formats.base import Format, Source
from engine.formats.checks import Place
from engine.text.documents import Document

csv.field_size_limit(2**31 - 1)  # characters of a cell


def _records(source: Source) -> Iterator[tuple[int, tuple[int, dict[str, str]]]]:
    raw_lines = source.lines()
    header = source.place(1).decode(next((line for line in raw_lines if line.strip()), b""))
    if "\0" in header:
        raise source.place(1).error("expected UTF-8, got another encoding, perhaps UTF-16; save the file as UTF-8")
    # Broken bytes survive as surrogates, so that each costs its row alone.
    lines = (line.decode("utf-8", "surrogateescape") for line in raw_lines)
    delimiter = max(",;\t", key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if names.count("text") != 1:
        wanted = "a table whose first line names a column text, and perhaps id or pmid"
        raise source.place(1).error(f"expected {wanted}, got the line {header.strip()[:80]!r}; name the columns")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    line = first = source.line + 1
    number = 0
    try:
        for cells in rows:
            number += any(cells)
            if len(cells) not in (0, len(names)):
                problem = f"expected {len(names)} cells, got {len(cells)}; quote cells that hold {delimiter!r}"
                yield line, (number, {"problem": problem})
            elif any(cells):
                yield line, (number, dict(zip(names, cells, strict=True)))
            line = first + rows.line_num
    except csv.Error as error:
        raise source.place(line).error(f"expected a table, got {error}; fix the quotes") from error


def _document(numbered: tuple[int, dict[str, str]], place: Place) -> Document:
    number, row = numbered
    identifier = place.identify(row.get("id", "").strip() or row.get("pmid", "").strip(), number)
    if problem := row.get("problem"):
        raise place.error(problem)
    identifier, text = (place.decode(part.encode("utf-8", "surrogateescape")) for part in (identifier, row["text"]))
    return Document(identifier, text)


TABLE = Format("table", (".csv", ".tsv"), lambda head: False, _records, _document)
