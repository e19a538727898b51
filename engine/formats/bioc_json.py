"""BioC as JSON: ``{"documents": […]}``, a list of such collections, or PubTator 3's ``{"PubTator3": […]}``.

Documents, passages and annotations mean the same as in BioC XML, which becomes such records. A file is read into memory
as a whole, so the line of a broken document is not known.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from engine.formats.base import Format, Source
from engine.formats.bioc import document_of, record_of

_HEAD = '{"source": "", "date": "", "key": "", "infons": {}, "documents": [\n'
_KEYS = ("documents", "PubTator3")
_LIST_START = re.compile(rb'"(documents|PubTator3)"\s*:\s*\[')


def _records(source: Source) -> Iterator[tuple[int, Any]]:
    place = source.place(1)
    try:
        content = json.loads(place.decode(b"".join(source.chunks())))
    except (json.JSONDecodeError, RecursionError) as error:
        place.line = getattr(error, "lineno", 1)
        raise place.error(f"This is not JSON: {getattr(error, 'msg', error)}") from error
    collections = [part for part in (content if isinstance(content, list) else [content]) if isinstance(part, dict)]
    lists = [part[key] for part in collections for key in _KEYS if isinstance(part.get(key), list)]
    if not lists:
        raise place.error("There is no list documents or PubTator3, so this is not BioC. Convert the file.")
    yield from ((1, record) for records in lists for record in records)


BIOC_JSON = Format(
    "bioc-json",
    (".json",),
    lambda head: head.startswith((b"{", b"[")) and _LIST_START.search(head) is not None,
    _records,
    document_of,
    lambda document: json.dumps(record_of(document), ensure_ascii=False),
    head=_HEAD,
    foot="\n]}\n",
    between=",\n",
)
