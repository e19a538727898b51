"""What the tests of formats share: short ways to read and write, a PubTator file, documents at random."""

import io

from hypothesis import strategies as st

from engine.errors import FormatError
from engine.formats import WRITERS, read_source
from engine.formats.base import Source
from engine.text.documents import Document, Entity

GOOD = """1|t|Aspirin and pain.
1|a|Aspirin helped.
1\t0\t7\tAspirin\tChemical\tD1
1\t12\t16\tpain\tDisease\tD2|D3\tone|two
1\tCID\tD1\tD2

case-7|t|Title only
case-7|a|
case-7\t0\t5\tTitle\tDisease\t-1
"""
SOUND = Document("9", "Nausea.\nPain.", (Entity(0, 6, "Disease", "Nausea"),), 7)


def read(content: str | bytes, name: str, **options) -> tuple[list[Document], list[FormatError]]:
    """The documents and the errors of a file of this name and content."""
    errors: list[FormatError] = []
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return list(read_source(Source(io.BytesIO(raw), name, **options), errors.append)), errors


def sound(content: str | bytes, name: str, **options) -> list[Document]:
    """The documents of a file in which none is broken."""
    documents, errors = read(content, name, **options)
    assert errors == []
    return documents


def written(format_: str, *documents: Document) -> str:
    """A file of documents."""
    return "".join(WRITERS[format_].write(documents))


TEXT = st.characters(exclude_categories=["Cs"])
XML_TEXT = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n\r")
_PRINTED = st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="|")


@st.composite
def documents(draw, characters, *, words: bool = False):
    """Documents with several entities and a version.

    ``words``: entities neither overlap nor begin or end with a blank, and there is no version.
    """
    title = draw(st.text(characters, max_size=15))
    rest = draw(st.text(characters, max_size=25))
    text, title_end = title, None
    if draw(st.booleans()):
        text, title_end = title + draw(st.sampled_from([" ", "\n"])) + rest, len(title)
    entities = {}
    for _ in range(draw(st.integers(0, 4)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        mention = text[start:end]
        apart = all(end <= other.start or other.end <= start for other in entities.values())
        if words and not (apart and mention.strip() == mention and mention):
            continue
        type_ = draw(st.sampled_from(["Disease", "Ω-Typ", "<&>"]))
        score = 1.0 if words else draw(st.floats(0, 1))
        entities[start] = Entity(start, end, type_, mention, score)
    identifier = draw(st.text(_PRINTED, min_size=1, max_size=5))
    version = None if words else draw(st.none() | st.integers(0, 2**31 - 1))
    return Document(identifier, text, tuple(sorted(entities.values())), title_end, version)
