"""``engine.bulk`` on made-up files as large as those of PubMed."""

import json
import subprocess
import sys
import time

import psutil
import pytest

from tests.engine.bulk.conftest import options
from tests.engine.bulk.made_up import write_folder


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_memory_is_flat_over_a_file_of_pubmeds_size(format_, model_folder, tmp_path):
    write_folder(tmp_path / "in", 1, 30_000)
    changed = tmp_path / "in", "--format", format_, "--batch-size", 128
    command = [sys.executable, "-m", "engine.bulk", *options(*changed, out=tmp_path / "out", model=model_folder)]
    megabytes = []
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            if list((tmp_path / "out").glob("tagged/.*.part")):
                megabytes.append(psutil.Process(run.pid).memory_info().rss / 1e6)
            time.sleep(0.25)
    assert run.returncode == 0
    (manifest,) = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    assert manifest["documents"] == 30_000
    fifth = len(megabytes) // 5
    print([round(value) for value in megabytes[:: max(1, fifth)]])
    assert fifth > 4
    assert max(megabytes[-fifth:]) < max(megabytes[fifth : 2 * fifth]) + 30
