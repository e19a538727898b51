import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from engine.base import Engine
from engine.corpora import load_corpus
from engine.formats import WRITERS
from engine.text.scoring import Counts, count_documents
from eval.analysis.tables import write_tables
from eval.config import SAMPLE
from eval.measure.run import measure
from eval.measure.taggers import strategy_tagger
from eval.report import main

SETTINGS = {"gates": (1, 2), "max_entropy": 0.45, "exit_entities": True}


def stub_slow_parts(patch: pytest.MonkeyPatch) -> None:
    """Replaces what takes seconds per report: passes, rests, a process, a look at the load, and plots, each a pixel."""
    patch.setattr("engine.latency.PASSES", 1)
    patch.setattr("eval.measure.taggers.REST_S", 0)
    patch.setattr("eval.measure.environment.resident_memory", lambda *_: 2**30)
    patch.setattr("eval.measure.environment.busy_share", lambda: 0.0)
    patch.setattr("eval.render.plots.adjust_text", lambda *_, **__: None)
    patch.setattr("eval.render.plots.save_png", lambda _, file, *__: Image.new("RGB", (1, 1)).save(file))


@pytest.fixture(autouse=True, scope="module")
def fast() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        stub_slow_parts(patch)
        yield


@pytest.fixture(scope="session")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the first 200 characters of the sample's documents: whole ones take four times as long."""
    whole = load_corpus(str(SAMPLE)).documents
    short = (replace(d, text=d.text[:200], entities=tuple(e for e in d.entities if e.end <= 200)) for d in whole)
    path = tmp_path_factory.mktemp("beginnings") / "beginnings.jsonl"
    path.write_text("".join(WRITERS["jsonl"].write(short)))
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, beginnings: Path) -> Path:
    """A report with everything that one can contain, on six documents; no test may change its files."""
    out = tmp_path_factory.mktemp("run")
    elsewhere = out.with_name("elsewhere.jsonl")  # 20 documents with diseases alone
    other = out.with_name("other")
    other.symlink_to(model_folder)
    lines = map(json.loads, beginnings.read_text().splitlines()[4:24])
    diseases = (line | {"entities": [e for e in line["entities"] if e["type"] == "Disease"]} for line in lines)
    elsewhere.write_text("".join(f"{json.dumps(line)}\n" for line in diseases))
    options = f"--model {model_folder} --corpus {beginnings} --limit 6 --timed 5 --batch-size 1,4"
    options += " --dtype float32,int8 --strategies entropy,random@entropy,truncate-1,entropy+recovery"
    options += " --set entropy.gates=1,2 --set entropy.max_entropy=0.4 --set entropy.exit_entities=true"
    options += f" --baselines hf-pipeline --others {other} --elsewhere {elsewhere}"
    options += f" --out {out}"
    with pytest.MonkeyPatch.context() as patch:
        stub_slow_parts(patch)
        patch.setattr("eval.measure.baselines.fastest", lambda baseline, *_: baseline.candidates[0])  # own tests
        assert main(options.split()) == 0
    return out


@pytest.fixture(scope="session")
def analysed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Counts], Path]:
    """What the scorer counts in a corpus for each strategy, and the folder with the tables of all."""
    out = tmp_path_factory.mktemp("analysis")
    corpus = load_corpus(str(SAMPLE), limit=8)
    strategies = [
        engine.strategy("dense"),
        engine.strategy("entropy", **SETTINGS),
        engine.strategy("entropy+recovery", **SETTINGS, min_confidence=1.0, recovery_limit=5),
        engine.strategy("truncate-1"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        stub_slow_parts(patch)
        found = measure([strategy_tagger(engine, strategy) for strategy in strategies], corpus, {1: range(8)})
    write_tables(out, found, {1: range(8)}, {"dense": 2**30}, {"threads": 1}, corpus.documents[:2])
    (out / "results.json").write_text('{"about": {"machine": "a CPU"}, "notes": []}')
    texts = [document.text for document in corpus.documents]
    counts = {}
    for strategy in strategies:
        found = [result.entities for result in engine.tag_batch(texts, strategy)]
        counts[strategy.name] = Counts.total(count_documents(corpus.documents, found, corpus.types))
    return counts, out
