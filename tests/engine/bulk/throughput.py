"""Documents per second: ``python -m tests.engine.bulk.throughput --files 12 --records 500``.

`Engine.tag_batch` alone, `engine.bulk` in one process, with one and with two workers; one thread each, made-up records.
A run is timed from its first finished file, so that loading and starting Ray do not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from engine import load_engine
from engine.data.formats import read_documents
from tests.engine.bulk.made_up import write_folder


def of_tag_batch(paths: list[Path]) -> float:
    """Documents per second of the engine alone, after one uncounted batch."""
    engine = load_engine()
    texts = [document.text for path in paths for document in read_documents(path)]
    engine.tag_batch(texts[:32])
    begin = time.perf_counter()
    for at in range(0, len(texts), 32):
        engine.tag_batch(texts[at : at + 32])
    return len(texts) / (time.perf_counter() - begin)


def of_bulk(folder: Path, out: Path, *options: str) -> float:
    """Documents per second of a run, from its first finished file to its last."""
    command = [sys.executable, "-m", "engine.bulk", str(folder), "--out", str(out), "--threads", "1"]
    subprocess.run([*command, "--dtype", "float32", *options], check=True, stderr=subprocess.DEVNULL)
    manifest = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    ended = sorted(((out / one["output"]).stat().st_mtime, one["documents"]) for one in manifest)
    return sum(documents for _, documents in ended[1:]) / (ended[-1][0] - ended[0][0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--records", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as place:
        folder = Path(place, "in")
        paths = write_folder(folder, arguments.files, arguments.records)
        alone = of_tag_batch(paths[: max(1, arguments.files // 3)])
        print(f"tag_batch alone       {alone:7.1f} documents/s", flush=True)
        here = of_bulk(folder, Path(place, "here"))
        print(f"one process           {here:7.1f} documents/s, {alone / here - 1:+.1%} time over tag_batch", flush=True)
        one = of_bulk(folder, Path(place, "one"), "--workers", "1")
        print(f"--workers 1           {one:7.1f} documents/s", flush=True)
        two = of_bulk(folder, Path(place, "two"), "--workers", "2")
        print(f"--workers 2           {two:7.1f} documents/s, {two / one:.2f} times one worker", flush=True)
