"""`accelerate` from end to end, without patches."""

import time

import pytest

from engine import load_engine
from engine.training.accelerate import main
from tests.engine.training.corpora import made_up, write_texts


@pytest.mark.slow
def test_a_checkpoint_is_made_fast_in_time_and_its_operating_points_are_in_order(easy_folder, tmp_path, capsys):
    texts, started = write_texts(tmp_path / "texts.txt", 400), time.monotonic()
    options = ["--texts", str(texts), "--out", str(tmp_path / "out"), "--minutes", "0.4", "--max-f1-drop", "5,20,60"]
    assert main([str(easy_folder), *options]) == 0
    assert time.monotonic() - started < 60, "24 seconds and what was under way when they ended"
    engine, said = load_engine(tmp_path / "out"), capsys.readouterr().out
    points = [engine.tag_batch(made_up(50), f"entropy:{point}") for point in engine.points["entropy"]]
    kept = [sum(result.cost.token_layers for result in results) for results in points]
    assert kept == sorted(kept, reverse=True)
    assert all(f"`{point}`" in said for point in engine.points["entropy"])
    assert (tmp_path / "out" / "README.md").read_text().count("×") >= 3 * len(points)
