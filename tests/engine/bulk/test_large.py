"""``engine.bulk`` on as many records as PubMed's own files have, and on those files themselves."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from engine.tagger import Engine
from tests.engine.bulk.conftest import options
from tests.engine.bulk.made_up import write_folder


def records_of(path: Path) -> set[tuple[str, int]]:
    """PMID and version of every record, as another parser reads them."""
    found = set()
    with gzip.open(path) as file:
        for _, element in ElementTree.iterparse(file):
            if element.tag == "PubmedArticle":
                pmid = element.find("MedlineCitation/PMID")
                found.add((pmid.text, int(pmid.get("Version"))))
                element.clear()
    return found


def check(inputs: list[Path], out: Path, engine: Engine) -> int:
    """Compares the results in ``out`` with their inputs, and all entities with those of `Engine.tag_batch`.

    Returns:
        How many documents there are.
    """
    manifest = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [one["input"] for one in manifest] == [str(path) for path in inputs]
    documents = 0
    for path, one in zip(inputs, manifest, strict=True):
        records = records_of(path)
        tagged = [json.loads(line) for line in (out / one["output"]).read_text().splitlines()]
        assert (len(tagged), one["documents"], one["rejected"]) == (len(records), len(records), 0)
        assert {(document["id"], document.get("version", 1)) for document in tagged} == records
        for begin in range(0, len(tagged), 128):
            call = tagged[begin : begin + 128]
            results = engine.tag_batch([document["text"] for document in call])
            for document, result in zip(call, results, strict=True):
                entities = [(e["start"], e["end"], e["type"]) for e in document["entities"]]
                assert entities == [entity.key for entity in result.entities]
                assert all(document["text"][e["start"] : e["end"]] == e["text"] for e in document["entities"])
        documents += len(tagged)
    return documents


@pytest.mark.slow
def test_sixty_files_of_five_hundred_records_lose_nothing(bulk, engine, tmp_path):
    inputs = write_folder(tmp_path / "in", 60, 500)
    assert bulk(*inputs, "--batch-size", 128) == 0
    assert check(inputs, tmp_path / "out", engine) == 30_000


@pytest.mark.slow
def test_real_files_of_pubmed_lose_nothing(bulk, engine, tmp_path):
    inputs = sorted(Path(os.environ.get("BIONER_DATA", ""), "pubmed").glob("*.xml.gz"))
    if not inputs:
        pytest.skip("no PubMed files under $BIONER_DATA")
    assert bulk(*inputs, "--batch-size", 128) == 0
    print(f"{check(inputs, tmp_path / 'out', engine):,} documents")


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
