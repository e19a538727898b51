"""An installed copy works without the checkout: packages, their data files and the shipped weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from demo.tabs.export.code import as_command, as_python
from engine import load_engine

ROOT = Path(__file__).resolve().parent.parent


def python(*arguments: str, cwd: Path, installed: Path) -> str:
    """What another Python prints in a folder, with an installed copy first on its path."""
    command = [sys.executable, "-P", *arguments]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(*arguments: str) -> None:
    """Runs pip without a network and without dependencies."""
    offline = ("-q", "--no-deps", "--no-index", "--disable-pip-version-check", "--no-build-isolation")
    done = subprocess.run([sys.executable, "-m", "pip", *arguments, *offline], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ".", "--wheel-dir", str(folder))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    ZipFile(wheel).extractall(folder)  # as pip does
    return folder


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else_of_the_checkout(wheel: Path):
    of_packages = {
        path.relative_to(ROOT).as_posix()
        for package in ("engine", "eval", "demo")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    of_weights = {
        f"engine/weights/{path.relative_to(ROOT / 'weights')}" for path in (ROOT / "weights").glob("minilm*/*")
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == of_packages | of_weights


def samples() -> dict[str, str]:
    """The Python samples of the documentation that need nothing but an installed copy, by file and line."""
    found = {}
    for page in ("README.md", "docs/api.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if "gradio_client" not in block[1] and "FOLDER" not in block[1]:
                found[f"{page}:{text[: block.start()].count(chr(10)) + 1}"] = block[1]
    return found


def test_the_samples_of_the_documentation_run_outside_a_checkout_with_the_installed_weights(
    installed: Path, tmp_path: Path
):
    blocks = samples()
    assert len(blocks) >= 4
    printing = "from engine import load_engine\nprint(load_engine().source)\n"
    source, *found = python("-c", printing + "\n".join(blocks.values()), cwd=tmp_path, installed=installed).splitlines()
    assert Path(source) == installed / "engine" / "weights" / "minilm-l6-bc5cdr"
    assert found == ["0 10 Chemical Famotidine", "22 30 Disease delirium"]


@pytest.mark.slow
def test_what_the_page_gives_to_take_away_runs_in_an_empty_folder(installed: Path, tmp_path: Path):
    text = 'It\'s 5 % "aspirin": the patient developed severe hypotension after $1 of it.\n'
    engine = load_engine()
    strategies = [engine.strategy("dense"), engine.strategy("rule", lambda_=1.25)]
    expected = [(s.name, *entity.key) for s in strategies for entity in engine.tag(text, s).entities]
    assert len(expected) >= 4

    printed = python("-c", as_python(engine, strategies, "fast", text), cwd=tmp_path, installed=installed)
    lines = [line.split(" ", 4)[:4] for line in printed.splitlines()]
    assert [(name, int(start), int(end), type_) for name, start, end, type_ in lines] == expected

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(installed), "PATH": path}
    commands = as_command(engine, strategies, "fast", text)
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["text"] for document in documents] == [text] * len(strategies)
    found = zip(strategies, documents, strict=True)
    assert [(s.name, e["start"], e["end"], e["type"]) for s, d in found for e in d["entities"]] == expected


def test_an_editable_copy_is_the_checkout(tmp_path: Path):
    pip("install", "--editable", ".", "--target", str(tmp_path))
    locate = "import site, sys; site.addsitedir(sys.argv[1]); import engine; print(engine.__file__)"
    found = python("-c", locate, str(tmp_path), cwd=tmp_path, installed=tmp_path)
    assert Path(found.strip()) == ROOT / "engine" / "__init__.py"
