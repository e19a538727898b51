"""Memory of a long run."""

import json
import subprocess
import sys
import time

import psutil
import pytest

from tests.engine.bulk.made_up import write_folder

RECORDS = 30_000  # as many as a file of PubMed has


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_memory_is_flat_over_a_file_of_pubmeds_size(format_, model_folder, tmp_path):
    write_folder(tmp_path / "in", 1, RECORDS)
    command = [sys.executable, "-m", "engine.bulk", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    options = ["--model", str(model_folder), "--threads", "1", "--format", format_, "--batch-size", "128"]
    megabytes = []
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            if list((tmp_path / "out").glob("tagged/.*.part")):
                megabytes.append(psutil.Process(run.pid).memory_info().rss / 1e6)
            time.sleep(0.25)
    assert run.returncode == 0
    (manifest,) = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    assert manifest["documents"] == RECORDS
    fifth = len(megabytes) // 5
    print([round(value) for value in megabytes[:: max(1, fifth)]])
    assert fifth > 4
    assert max(megabytes[-fifth:]) < max(megabytes[fifth : 2 * fifth]) + 30
