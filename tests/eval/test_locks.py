import subprocess
import sys
import time

import pytest

from engine.errors import InputError
from engine.runs import locked
from eval.report import main

HOLD = """
import sys, time
from pathlib import Path
from engine.runs import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_folder_belongs_to_one_process_until_that_ends_however_it_does(tmp_path, model_folder, capsys):
    out = tmp_path / "new" / "out"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        assert main(["--model", str(model_folder), "--limit", "1", "--out", str(out)]) == 2
        assert f"expected {out} to be free, got one that another process writes to" in capsys.readouterr().err
        assert not (out / "run.jsonl").exists()
        other.kill()
    for _ in range(100):
        try:
            with locked(out):
                return
        except InputError:
            time.sleep(0.05)
    pytest.fail("the lock outlives its process")
