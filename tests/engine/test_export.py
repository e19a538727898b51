"""An exported package tags as the engine does, without the project and without PyTorch, and a page in a browser."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import RepoCard

from engine import export, load_engine
from engine.errors import InputError
from engine.formats import read_texts
from engine.graph.standalone import Tagger
from engine.pruning.strategy import Strategy
from engine.text.decoding import Decoder
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.words import split_words
from eval.config import SAMPLE
from tests.conftest import TEXT

ELSEWHERE = """
import json, sys
from importlib import import_module
from concurrent.futures import ThreadPoolExecutor
taggers = [import_module(name).Tagger() for name in sys.argv[1:]]
texts = json.load(sys.stdin)
pool = ThreadPoolExecutor(8)
found = [[[(e.start, e.end, e.type) for e in tags] for tags in pool.map(tagger.tag, texts)] for tagger in taggers]
print(json.dumps([found, sorted({"engine", "torch", "transformers", "safetensors"} & set(sys.modules))]))
"""
TEXTS = [TEXT, "", "Aspirin and pain.\nAspirin helped.", TEXT * 8] * 6  # the last has several windows
STRATEGIES = {
    "dense": {},
    "truncate-2": {},
    "entropy": {"gates": (1, 2), "max_entropy": (0.5, 0.8), "exit_entities": True, "min_keep_ratio": 0.3},
    "rule": {"gates": (1, 2), "lambda_": 0.5},
}


def test_packages_find_what_the_engine_finds(engine, tmp_path):
    strategies = [engine.strategy(name, **settings) for name, settings in STRATEGIES.items()]
    for strategy in strategies:
        export.export(engine, strategy, tmp_path / strategy.kind)
    command = [sys.executable, "-c", ELSEWHERE, *(strategy.kind for strategy in strategies)]
    run = subprocess.run(command, cwd=tmp_path, input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
    found, imported = json.loads(run.stdout)
    expected = [[[[*e.key] for e in engine.tag(text, strategy).entities] for text in TEXTS] for strategy in strategies]
    assert found == expected
    assert any(map(any, expected))
    assert imported == []


def test_the_command_exports_the_default_strategy(tmp_path, capsys, made_folder):
    assert export.main(["--model", str(made_folder), "--out", str(tmp_path / "tagger")]) == 0
    assert f"the package {tmp_path / 'tagger'} tags texts" in capsys.readouterr().out
    exported = json.loads((tmp_path / "tagger" / "settings.json").read_text())["strategy"]
    assert Strategy.from_json(exported) == load_engine(made_folder).strategy()


@pytest.mark.parametrize(
    ("model", "strategy", "out", "keyword"),
    [
        ("engine", "entropy+recovery", "tagger", "several passes"),
        ("both", "cascade:careful", "tagger", "'cascade:careful' runs several passes"),
        ("engine", "dense", "my-tagger", "Python package"),
        ("engine", "dense", "class", "Python package"),
    ],
)
def test_rejects_what_cannot_be_exported(model, strategy, out, keyword, tmp_path, request):
    engine = request.getfixturevalue(model)
    with pytest.raises(InputError, match=keyword):
        export.export(engine, engine.strategy(strategy), tmp_path / out)
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize("rows", [101, 2, "100"])
def test_a_package_refuses_more_rows_than_its_graph_has_positions_for(rows, engine, tmp_path):
    export.export(engine, engine.strategy("dense"), tmp_path / "tagger")
    path = tmp_path / "tagger" / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_rows": rows}))
    with pytest.raises(InputError, match=f"max_rows in .*settings.json is {rows!r}; .* 3 and 100"):
        Tagger(tmp_path / "tagger")


NPM = """#!/bin/sh
for file in {files}; do mkdir -p node_modules/$(dirname $file) && printf 12345 > node_modules/$file; done
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Stands in for npm, which needs its registry."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").write_text(NPM.format(files=" ".join(export.LIBRARIES)))
    (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def test_a_page_is_a_static_space_with_the_files_that_it_needs_and_no_others(engine, tmp_path, npm):
    export.export(engine, engine.strategy("dense"), tmp_path / "my-page", web=True)
    files = {path.relative_to(tmp_path / "my-page").as_posix(): path for path in (tmp_path / "my-page").rglob("*.*")}
    named = {"README.md", ".gitattributes", "index.html", "decoding.js", "tagger.js", "worker.js"}
    data = {"model.onnx", "settings.json", "tokenizer.json"} | {f"lib/{Path(name).name}" for name in export.LIBRARIES}
    assert files.keys() - {"lib"} == named | data
    assert RepoCard.load(files["README.md"]).data.sdk == "static"
    assert json.loads(files["settings.json"].read_text())["bytes"] == files["model.onnx"].stat().st_size + 5
    assert json.loads(files["settings.json"].read_text())["model"] == Path(engine.source).name


def test_the_command_for_a_page_says_at_once_what_takes_its_time(tmp_path, capsys, made_folder, npm):
    assert export.main(["--model", str(made_folder), "--web", "--out", str(tmp_path / "page")]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("Fetch the page's libraries with npm")
    assert f"the page {tmp_path / 'page'} tags texts" in said.out


def test_without_npm_a_page_is_refused_and_leaves_no_folder(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"npm could not fetch the page's libraries: .* Install"):
        export.export(engine, engine.strategy("dense"), tmp_path / "page", web=True)
    assert not (tmp_path / "page").exists()


TAG_IN_PAGE = """async (texts) => {
    const { Tagger } = await import("./tagger.js");
    const tagger = await Tagger.load();
    const answers = [];
    for (const text of texts) {
        const { words, entities } = await tagger.tag(text);
        answers.push([entities.map((e) => [e.start, e.end, e.type]), words.map((w) => text.slice(w.start, w.end))]);
    }
    return answers;
}"""
# Counts the frames that the page draws until the answer to a long text is there.
FRAMES = """async (text) => {
    const [box, state] = ["text", "state"].map((id) => document.getElementById(id));
    const before = state.textContent;
    let frames = 0;
    box.value = text;
    box.dispatchEvent(new Event("input"));
    while (state.textContent === before) {
        await new Promise(requestAnimationFrame);
        frames += 1;
    }
    return [frames, parseInt(state.textContent)];
}"""
ODD = ["", " ", "a\u00adb cafe\u0301 na\u00efve β-carotene 5\u00bd ²", "pain 😀", "x" * 250]
ODD += ["aspirin_sodium p≠1 a→b±c™"]
ODD += ["阿司aspirin\x0c\x1ca\x07b\x85\ufeffe\u20dd)\u0301 \u0301 『葛\U000e0100飾』 \ue000 a\ufffdb \u3000c"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A page with the shipped weights; this takes npm with its registry."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    engine, folder = load_engine(dtype="int8"), tmp_path_factory.mktemp("web") / "page"
    export.export(engine, engine.strategy(), folder, web=True)
    return engine, folder


@pytest.fixture
def page(exported, browser):
    """The page in a browser that reaches no other host."""
    _, folder = exported
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}/"
    page, others = browser.new_page(), []

    def only_here(route):
        if route.request.url.startswith(here):
            route.continue_()
        else:
            others.append(route.request.url)
            route.abort()

    page.route("**/*", only_here)
    page.goto(here)
    yield page
    page.close()
    server.shutdown()
    assert others == []


@pytest.mark.slow
def test_the_page_shows_how_far_it_is_and_then_the_entities_and_answers_while_a_pass_runs(page):
    assert page.locator("progress").is_visible()
    page.locator("mark").first.wait_for(timeout=120_000)
    assert page.locator("progress").count() == 0
    assert page.locator("mark").all_inner_texts() == ["Naloxone", "clonidine"]
    frames, ms = page.evaluate(FRAMES, "\n".join(read_texts([SAMPLE])))
    assert frames > ms / 100  # ten a second or more


@pytest.mark.slow
def test_the_page_tags_as_its_graph_does_in_python(page, exported):
    engine, folder = exported
    tagger = Tagger(folder)
    documents = read_texts([SAMPLE])
    texts = [*documents, "\n".join(documents[:6]), *ODD]
    texts += [sentence for document in documents for sentence in document.split(". ")][: 100 - len(texts)]
    answers = page.evaluate(TAG_IN_PAGE, texts)
    differ = total = 0
    for text, (answer, its_words) in zip(texts, answers, strict=True):
        words = split_words(text)
        assert its_words == [text[start:end] for start, end in words]
        there = [Entity(start, end, type_, text[start:end]) for start, end, type_ in answer]
        here = tagger.tag(text)
        differ += int((engine.labels.encode(words, there) != engine.labels.encode(words, here)).sum())
        total += len(words)
    assert total > 5000
    # In 8 bits WebAssembly rounds otherwise, which moves a word now and then.
    assert differ <= 0.0015 * total


DECODE = """
import { Decoder } from "./decoding.js";
const { settings, texts } = JSON.parse(await new Response(process.stdin).text());
const decoder = new Decoder(settings);
console.log(JSON.stringify(texts.map(({ text, words, rows }) => {
  const given = words.map(([start, end], index) => ({ start, end, probabilities: rows[index] }));
  const entities = decoder.decode(text, given);
  return [given.map(({ label }) => label), entities.map((e) => [e.start, e.end, e.type])];
})));
"""
DEFINING = [
    "tardive dyskinesia (TD), TD; TD-like (TDX)", "TD (tardive dyskinesia)", "( a b ) (ab; c) ab",
    "β-amyloid (Aβ) Aβ\n(x",
    "adenosine A1 receptor (A1R, n = 3) and A1R's acute adenosine (AA)",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("names", [
    ["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"], ["O", "Chemical", "Disease"],
    ["O", "B-Gene", "I-Gene", "E-Gene", "S-Gene"],
])  # fmt: skip
@pytest.mark.parametrize("scored", [True, False])
def test_the_page_decodes_as_the_engine_does(names, scored, tmp_path):
    rng, labels = np.random.default_rng(len(names)), LabelSet.from_names(names)
    transitions = rng.normal(size=(len(names),) * 2) if scored else None
    texts = []
    for text in [*DEFINING, *ODD] * 8:
        words = split_words(text)
        logits = rng.normal(size=(len(words), len(names))) * 3
        rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        texts.append({"text": text, "words": words, "rows": rows.tolist()})
    texts = [
        given
        for given in texts
        if given["text"].isascii() or len(given["text"].encode("utf-16-le")) == 2 * len(given["text"])
    ]
    settings = {"labels": names, "transitions": None if transitions is None else transitions.tolist()}
    settings |= {"constraints": True, "abbreviations": True}
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "decode.js").write_text(DECODE)
    shutil.copy(export.WEB / "decoding.js", tmp_path)
    run = subprocess.run(
        ["node", "decode.js"], cwd=tmp_path, input=json.dumps({"settings": settings, "texts": texts}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    decoder = Decoder(labels, transitions)
    for given, (its_labels, its_entities) in zip(texts, json.loads(run.stdout), strict=True):
        decoded = decoder.decode(given["text"], given["words"], np.array(given["rows"]).reshape(-1, len(names)))
        assert its_labels == decoded.labels.tolist(), given["text"]
        assert its_entities == [[*entity.key] for entity in decoded.entities], given["text"]
