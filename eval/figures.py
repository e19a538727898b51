"""Copies the summaries of published reports into README, model card and docs: ``python -m eval.figures``.

A page includes a file between ``<!-- figures: FILE -->`` and ``<!-- end -->``, its metadata between ``# figures: FILE``
and ``# end``; FILE is relative to the project.
"""

import argparse
import re
import sys
from pathlib import Path

from engine.cli.command import as_command

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "docs/earlier-work.md",
    "docs/pypi.md",
    "docs/reports.md",
    "weights/minilm-l6-bc5cdr/README.md",
    "weights/minilm-l6-six/README.md",
)
_PART = re.compile(r"(?ms)^( *(<!--|#) figures: (\S+)(?: -->)?\n).*?^( *\2 end)")


def filled(page: str, root: Path = ROOT) -> str:
    """A page with the files that it includes, as they are now."""
    return _PART.sub(lambda found: found[1] + (root / found[3]).read_text(encoding="utf-8") + found[4], page)


@as_command
def main(argv: list[str] | None) -> int:
    argparse.ArgumentParser(prog="python -m eval.figures", description=__doc__).parse_args(argv)
    for path in (ROOT / name for name in PAGES):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
