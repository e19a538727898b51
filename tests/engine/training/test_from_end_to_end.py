"""`accelerate` from end to end, without patches."""

import re

import pytest

from engine import load_engine
from engine.training.accelerate import main
from tests.engine.training.corpora import write_texts


@pytest.mark.slow
def test_a_checkpoint_is_made_fast_and_its_operating_points_are_in_order(easy_folder, tmp_path, capsys):
    texts = write_texts(tmp_path / "texts.txt", 400)
    options = ["--texts", str(texts), "--out", str(tmp_path / "out"), "--max-f1-drop", "5,20,60"]
    assert main([str(easy_folder), *options]) == 0
    said, points = capsys.readouterr().out, load_engine(tmp_path / "out").points.get("entropy", {})
    kept = [int(share) for share in re.findall(r"\| (\d+)% \| [\d.]+× \|", said)]
    assert kept[0] == 100
    assert kept[1:] == sorted(kept[1:], reverse=True) != []
    # Whether a model this tiny is faster depends on the machine.
    assert len(points) + said.count("not stored") + said.count("not reached") == len(kept) - 1
    assert said in (tmp_path / "out" / "README.md").read_text()
