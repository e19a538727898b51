"""A folder that ``eval.report`` has written, as README, docs and app read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eval.render.conclusions import Opening
from eval.render.files import read_tables

LAST = "results.json"  # written when everything else is there


@dataclass(frozen=True)
class ReportFolder:
    """The folder of a finished run; each file is read once."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @cached_property
    def about(self) -> dict[str, Any]:
        """The facts about the run."""
        about: dict[str, Any] = json.loads((self.folder / LAST).read_text(encoding="utf-8"))["about"]
        return about

    @cached_property
    def opening(self) -> Opening:
        """The report's conclusions and rows."""
        return Opening.of(read_tables(self.folder, "results", "intervals", "errors"))
