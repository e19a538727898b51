"""Copies figures of published reports into README, model cards and docs: ``python -m eval.figures``.

A page has a table of six rows between ``<!-- figures: FOLDER -->`` and ``<!-- end -->``, where FOLDER is that of a
report. Its metadata have the file between ``# figures: FILE`` and ``# end``. Paths are relative to the project.
"""

import argparse
import re
import sys
from pathlib import Path

from engine.cli.command import as_command
from eval.render.folder import ReportFolder
from eval.render.summary import figures

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/pypi.md", "weights/minilm-l6-bc5cdr/README.md", "weights/minilm-l6-six/README.md")
_TABLE = re.compile(r"(?ms)^(<!-- figures: ([^>]+) -->\n).*?^(<!-- end)")
_FILE = re.compile(r"(?ms)^( *# figures: (\S+)\n).*?^( *# end)")


def filled(page: str, root: Path = ROOT) -> str:
    """A page with the figures that it asks for, as they are now."""

    def table(match: re.Match[str]) -> str:
        return f"{match[1]}{figures(ReportFolder(root / match[2])).markdown}\n{match[3]}"

    page = _TABLE.sub(table, page)
    return _FILE.sub(lambda match: match[1] + (root / match[2]).read_text(encoding="utf-8") + match[3], page)


@as_command
def main(argv: list[str] | None) -> int:
    argparse.ArgumentParser(prog="python -m eval.figures", description=__doc__).parse_args(argv)
    for path in (ROOT / name for name in PAGES):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
