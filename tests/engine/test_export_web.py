"""An exported page tags in a browser as the engine does. This takes npm with its registry, and Chromium."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from engine import export, load_engine
from engine.formats import read_texts
from engine.text.documents import Entity
from engine.text.words import split_words
from eval.options import SAMPLE
from tests.demo.serving import browser_path, chromium

TAG = """async (texts) => {
    const { Tagger } = await import("./tagger.js");
    const tagger = await Tagger.load();
    const answers = [];
    for (const text of texts) answers.push((await tagger.tag(text)).entities.map((e) => [e.start, e.end, e.type]));
    return answers;
}"""
ODD = ["", " ", "a\u00adb cafe\u0301 na\u00efve β-carotene 5\u00bd ²", "pain 😀", "x" * 250]


@pytest.mark.slow
def test_the_page_tags_as_the_engine_does(tmp_path):
    pytest.importorskip("playwright")
    executable = browser_path()
    if executable is None or shutil.which("npm") is None:
        pytest.skip("needs npm and Chromium")
    engine, folder = load_engine(dtype="int8"), tmp_path / "page"
    export.export(engine, engine.strategy(), folder, web=True)
    subprocess.run(["npm", "install", "--ignore-scripts"], cwd=folder, check=True, capture_output=True)
    documents = read_texts([SAMPLE])
    texts = [*documents, "\n".join(documents[:6]), *ODD]
    texts += [sentence for document in documents for sentence in document.split(". ")][: 100 - len(texts)]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with chromium(executable) as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.locator("mark").first.wait_for(timeout=120_000)
        answers = page.evaluate(TAG, texts)
    server.shutdown()
    differ = total = 0
    for text, answer in zip(texts, answers, strict=True):
        words = split_words(text)
        there = [Entity(start, end, type_, text[start:end]) for start, end, type_ in answer]
        here = engine.tag(text).entities
        differ += int((engine.labels.encode(words, there) != engine.labels.encode(words, here)).sum())
        total += len(words)
    assert total > 5000
    # In 8 bits WebAssembly rounds otherwise, which moves a word now and then: of 5,878 words here, 6.
    assert differ <= 0.0015 * total
