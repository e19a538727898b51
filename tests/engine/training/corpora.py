"""Corpora small enough to be memorised, and made-up texts."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

WORDS = ("famotidine", "delirium", "patients", "nausea", "hypotension", "and", "after", "with", "20", "mg", "had")


def write_pubtator(path: Path, text: str, spans: Sequence[tuple[int, int, str]], count: int) -> None:
    """Writes a PubTator file of ``count`` copies of a text, with entities as (start, end, type)."""
    lines = []
    for number in range(count):
        lines += [f"{number}|t|{text}", f"{number}|a|"]
        lines += [f"{number}\t{a}\t{b}\t{text[a:b]}\t{type_}\t-1" for a, b, type_ in spans] + [""]
    path.write_text("\n".join(lines))


def made_up(count: int, seed: int = 0) -> list[str]:
    """Distinct texts of a few words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(4, 12))) + "." for _ in range(count)]


def write_texts(path: Path, count: int, seed: int = 0) -> Path:
    """Writes them as JSON lines."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in made_up(count, seed)))
    return path
