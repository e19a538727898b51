"""Tables, CSV or TSV, whose first line names columns: ``text``, or ``title`` and ``abstract``; and ``id`` or ``pmid``.

Title and abstract are joined by a blank. Other columns are ignored. Cells are separated by commas, semicolons or tabs,
and quoted as spreadsheets do.
"""

import csv
from collections.abc import Iterator

from engine.formats.base import Format, Source
from engine.formats.checks import Place
from engine.text.documents import Document

TEXT_COLUMNS = ("text", "title", "abstract")
csv.field_size_limit(2**31 - 1)  # characters of a cell


def _records(source: Source) -> Iterator[tuple[int, tuple[int, dict[str, str]]]]:
    raw_lines = source.lines()
    header = source.place(1).decode(next((line for line in raw_lines if line.strip()), b""))
    if "\0" in header:
        raise source.place(1).error("This is not UTF-8, but perhaps UTF-16. Save the file as UTF-8.")
    # Broken bytes survive as surrogates, so that each costs its row alone.
    lines = (line.decode("utf-8", "surrogateescape") for line in raw_lines)
    delimiter = max(",;\t", key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    columns = [name for name in names if name in TEXT_COLUMNS]
    if not columns or len(set(columns)) < len(columns):
        raise source.place(1).error(
            "The first line of a table must name a column text, or title and abstract, and may name id or pmid, but it "
            f"is {header.strip()[:80]!r}."
        )
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    line = first = source.line + 1
    number = 0
    try:
        for cells in rows:
            number += any(cells)
            if len(cells) not in (0, len(names)):
                problem = f"The row has {len(cells)} cells, not {len(names)}. Quote cells that hold {delimiter!r}."
                yield line, (number, {"problem": problem})
            elif any(cells):
                yield line, (number, dict(zip(names, cells, strict=True)))
            line = first + rows.line_num
    except csv.Error as error:
        raise source.place(line).error(f"The table is broken: {error}. Fix the quotes.") from error


def _document(numbered: tuple[int, dict[str, str]], place: Place) -> Document:
    number, row = numbered
    identifier = place.identify(row.get("id", "").strip() or row.get("pmid", "").strip(), number)
    if problem := row.get("problem"):
        raise place.error(problem)
    parts = (identifier, *(row.get(name, "") for name in TEXT_COLUMNS))
    identifier, text, title, abstract = (place.decode(part.encode("utf-8", "surrogateescape")) for part in parts)
    if "text" in row:
        return Document(identifier, text)
    return Document(
        identifier, f"{title} {abstract}" if title and abstract else title or abstract, title_end=len(title) or None
    )


TABLE = Format("table", (".csv", ".tsv"), lambda head: False, _records, _document)
