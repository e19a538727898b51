"""Reading and writing documents: PubTator, JSON lines, plain text. Reading streams; a broken document is named."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path

from engine.documents import Document, Entity
from engine.errors import FormatError, InputError

OnError = Callable[[FormatError], None]

_PASSAGE = re.compile(r"^(.+?)\|([ta])\|(.*)$", re.DOTALL)
_PUBTATOR_HEAD = re.compile(rb"^(\S+\|[ta]\||\S[^\t]*\t\d+\t\d+\t)")
_PEEK = 20  # lines in which PubTator shows itself, should its first lines be broken


def _raise(error: FormatError) -> None:
    raise error


def read_documents(path: str | Path, on_error: OnError = _raise) -> Iterator[Document]:
    """Documents of a file, one by one; the format is recognised from the content.

    PubTator has ``ID|t|``, ``ID|a|`` or an annotation among its first lines, JSON lines start with ``{``; anything else
    is one plain text.

    Args:
        path: the file, UTF-8; it is read once, so a pipe will do.
        on_error: called with each broken document, which is then left out; the default raises.

    Raises:
        InputError: if the file cannot be read.
        FormatError: for a broken document, with the default ``on_error``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = list(islice(file, _PEEK))
            lines = chain(head, file)
            if any(_PUBTATOR_HEAD.match(line.removeprefix(codecs.BOM_UTF8)) for line in head):
                yield from read_pubtator(lines, str(path), on_error)
            elif b"".join(head).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
                yield from read_jsonl(lines, str(path), on_error)
            else:
                yield from _read_plain(b"".join(lines), path, on_error)
    except OSError as error:
        raise InputError(f"expected a readable file, got {path}: {error.strerror}; check the path") from error


def _read_plain(raw: bytes, path: Path, on_error: OnError) -> Iterator[Document]:
    try:
        yield Document(path.stem, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        on_error(FormatError(str(path), line, path.stem, _encoding_problem(error)))


def _encoding_problem(error: UnicodeDecodeError) -> str:
    return f"expected UTF-8, got byte 0x{error.object[error.start]:02x}; save the file as UTF-8"


def _decoded(raw: bytes, file: str, number: int, document: str | None) -> str:
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FormatError(file, number, document, _encoding_problem(error)) from error


def read_pubtator(lines: Iterable[bytes], file: str = "<lines>", on_error: OnError = _raise) -> Iterator[Document]:
    """Documents of PubTator lines (``ID|t|title``, ``ID|a|abstract``, tab-separated annotations; blank lines between).

    Text is title + one character + abstract. An annotation is a line whose second field is a number; relation
    lines are passed over. Composite mentions (``|`` between ids, a seventh field) are one entity.

    Args:
        lines: raw lines, split at ``\\n`` only.
        file: a name for messages.
        on_error: see `read_documents`.
    """
    seen: set[str] = set()
    block: list[tuple[int, bytes]] = []

    def finish() -> Iterator[Document]:
        if block:
            try:
                yield _parse_pubtator_block(block, file, seen)
            except FormatError as error:
                on_error(error)
            block.clear()

    for number, raw in enumerate(lines, start=1):
        if not raw.strip() or (block and _is_title(raw)):
            yield from finish()
        if raw.strip():
            block.append((number, raw))
    yield from finish()


def _is_title(raw: bytes) -> bool:
    passage = _PASSAGE.match(raw.decode("utf-8", "replace")) if b"|t|" in raw else None
    return passage is not None and passage[2] == "t"


def _parse_pubtator_block(block: list[tuple[int, bytes]], file: str, seen: set[str]) -> Document:
    number, raw = block[0]
    title_line = number
    guess = raw.split(b"|", 1)[0].decode("utf-8", "replace")[:80]
    passages: dict[str, str] = {}
    for kind, wanted in (("t", "a title line 'ID|t|TITLE'"), ("a", "an abstract line 'ID|a|ABSTRACT' after the title")):
        if not block:
            raise FormatError(file, number, guess, f"expected {wanted}, got the end of the document; add the line")
        number, raw = block.pop(0)
        line = _decoded(raw, file, number, guess)
        match = _PASSAGE.match(line)
        if not match or match[2] != kind or (passages and match[1] != guess):
            raise FormatError(file, number, guess, f"expected {wanted}, got {line[:60]!r}; add or mend the line")
        guess, passages[kind] = match[1], match[3]
    identifier, text = guess, f"{passages['t']}\n{passages['a']}"
    if identifier in seen:
        problem = "expected an id of its own, got one that stands above; rename it"
        raise FormatError(file, title_line, identifier, problem)
    seen.add(identifier)
    entities = []
    for number, raw in block:
        fields = _decoded(raw, file, number, identifier).split("\t")
        if len(fields) >= 4 and not any(field.lstrip("-")[:1].isdecimal() for field in fields[1:3]):
            continue  # a relation line
        entities.append(_parse_annotation(fields, text, identifier, file, number))
    return Document(identifier, text, tuple(sorted(entities)), title_end=len(passages["t"]))


def _parse_annotation(fields: list[str], text: str, identifier: str, file: str, number: int) -> Entity:
    def broken(problem: str) -> FormatError:
        return FormatError(file, number, identifier, problem)

    if not 5 <= len(fields) <= 7:
        raise broken(
            f"expected 5 to 7 tab-separated fields (id, start, end, mention, type, concept), got {len(fields)}; "
            "check the tabs"
        )
    if fields[0] != identifier:
        raise broken(
            f"expected an annotation of this document, got id {fields[0]!r}; separate documents by a blank line"
        )
    if not (fields[1].isdecimal() and fields[2].isdecimal()):
        raise broken(f"expected start and end as numbers, got {fields[1]!r} and {fields[2]!r}; mend the offsets")
    start, end, mention, type_ = int(fields[1]), int(fields[2]), fields[3], fields[4]
    if not 0 <= start < end <= len(text):
        raise broken(f"expected a span inside the text of {len(text)} characters, got {start}–{end}; mend the offsets")
    found = text[start:end].replace("\n", " ")
    if not found.strip():
        raise broken(f"expected a mention at {start}–{end}, got blanks; mend the offsets")
    # One NCBI-disease mention carries spaces that do not belong to it.
    if found not in (mention, mention.rstrip()):
        raise broken(
            f"expected {mention!r} at {start}–{end}, got {found!r} in the text; mend the offsets or the mention"
        )
    end = start + len(found.rstrip())
    return Entity(start, end, type_, text[start:end])


def read_jsonl(lines: Iterable[bytes], file: str = "<lines>", on_error: OnError = _raise) -> Iterator[Document]:
    """Documents of JSON lines as `write_jsonl` writes them; only ``text`` is required."""
    seen: set[str] = set()
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            document = _parse_json_document(_decoded(raw, file, number, None), file, number)
            if document.id in seen:
                problem = "expected an id of its own, got one that stands above; rename it"
                raise FormatError(file, number, document.id, problem)
            seen.add(document.id)
        except FormatError as error:
            on_error(error)
        else:
            yield document


def _parse_json_document(line: str, file: str, number: int) -> Document:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise FormatError(file, number, None, f"expected one JSON object on the line, got {error}; mend it") from error
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise FormatError(file, number, None, 'expected an object with a "text" string; add it')
    identifier, text = str(record.get("id", number)), record["text"]
    try:
        title_end = None if record.get("title_end") is None else int(record["title_end"])
        entities = [
            Entity(
                int(entity["start"]),
                int(entity["end"]),
                str(entity["type"]),
                text[int(entity["start"]) : int(entity["end"])],
                float(entity.get("score", 1.0)),
            )
            for entity in record.get("entities", [])
        ]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        problem = f'expected numbers "start" and "end" and a "type" in every entity, got {error!r}; mend it'
        raise FormatError(file, number, identifier, problem) from error
    for entity in entities:
        if not 0 <= entity.start < entity.end <= len(text):
            problem = f"expected a span inside {len(text)} characters, got {entity.start}–{entity.end}; mend it"
            raise FormatError(file, number, identifier, problem)
    if title_end is not None and not (0 <= title_end <= len(text) and text[title_end : title_end + 1].strip() == ""):
        raise FormatError(
            file, number, identifier, f"expected a blank after the title, got title_end {title_end}; mend it"
        )
    return Document(identifier, text, tuple(sorted(entities)), title_end)


def write_pubtator(document: Document) -> str:
    """The document as PubTator lines with a blank line after them.

    The title ends at ``title_end``, else at the first line break. PubTator has no escapes: tabs and further line
    breaks become spaces, one for one, so that offsets stay.
    """
    text = document.text
    title_end = text.find("\n") if document.title_end is None else document.title_end
    if title_end < 0:
        title_end = len(text)
    flat = _flat(text)
    identifier = _flat(document.id)
    lines = [f"{identifier}|t|{flat[:title_end]}", f"{identifier}|a|{flat[title_end + 1 :]}"]
    for entity in document.entities:
        mention = flat[entity.start : entity.end]
        lines.append(f"{identifier}\t{entity.start}\t{entity.end}\t{mention}\t{entity.type}\t-1")
    return "\n".join(lines) + "\n\n"


def _flat(text: str) -> str:
    return re.sub(r"[\t\r\n]", " ", text)


def write_jsonl(document: Document) -> str:
    """The document as one JSON line: id, text, title_end, entities with start, end, type, text, score."""
    return json.dumps(asdict(document), ensure_ascii=False) + "\n"
