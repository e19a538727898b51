"""Documents and the entities in them. Offsets are characters of the original text, end exclusive."""

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Entity:
    """A mention of an entity, ``text``, at ``[start, end)`` of its document.

    ``score`` is the lowest probability among the entity's words, 0–1; gold mentions have 1. A composite mention
    (``ovarian and breast cancer``) is one entity.
    """

    start: int
    end: int
    type: str
    text: str
    score: float = 1.0

    @property
    def key(self) -> tuple[int, int, str]:
        """The span and type, which exact-span scoring compares."""
        return self.start, self.end, self.type


@dataclass(frozen=True)
class Document:
    """A text with gold or predicted entities.

    ``title_end`` is the length of the title if the text has one (title, one character, abstract). ``version`` is the
    version of a PubMed record. ``sections``: where passages after the title end, but for the last, if a format tells.
    """

    id: str
    text: str
    entities: tuple[Entity, ...] = ()
    title_end: int | None = None
    version: int | None = None
    sections: tuple[int, ...] = field(default=(), compare=False)

    @property
    def breaks(self) -> tuple[int, ...]:
        """Where a passage ends and another follows; no predicted entity crosses such a place."""
        return self.sections if self.title_end is None else (self.title_end, *self.sections)

    @property
    def versioned_id(self) -> str:
        """The id, followed by any version but the first: ``ID.2``. No two documents of a call may share it."""
        return self.id if self.version in (None, 1) else f"{self.id}.{self.version}"
