from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from eval.render.png import save_png


def test_a_palette_makes_files_smaller_and_changes_no_colour_visibly(tmp_path: Path) -> None:
    figure = Figure()
    axis = figure.subplots()
    for number in range(8):
        axis.plot([0, 1], [number, 8 - number], label=f"line {number}")
    axis.legend()
    save_png(figure, tmp_path / "small.png")
    figure.savefig(tmp_path / "plain.png", dpi=100)
    small, plain = (Image.open(tmp_path / name) for name in ("small.png", "plain.png"))
    assert small.size == plain.size
    assert (tmp_path / "small.png").stat().st_size < (tmp_path / "plain.png").stat().st_size / 2
    difference = np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(plain.convert("RGB"), int))
    assert np.percentile(difference, 99.9) < 32
