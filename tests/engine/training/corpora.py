"""Corpora small enough to be memorised."""

from collections.abc import Sequence
from pathlib import Path


def write_pubtator(path: Path, text: str, spans: Sequence[tuple[int, int, str]], count: int) -> None:
    """Writes a PubTator file of ``count`` copies of a text, with entities as (start, end, type)."""
    lines = []
    for number in range(count):
        lines += [f"{number}|t|{text}", f"{number}|a|"]
        lines += [f"{number}\t{a}\t{b}\t{text[a:b]}\t{type_}\t-1" for a, b, type_ in spans] + [""]
    path.write_text("\n".join(lines))
