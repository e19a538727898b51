"""An installed copy works without the checkout: packages, their data files and the shipped weights."""

import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command, cwd, installed=""):
    """What a command prints in a folder, with an installed copy first on Python's path."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("-q", "--no-deps", "--no-index", "--disable-pip-version-check", "--no-build-isolation")
    run(sys.executable, "-m", "pip", "wheel", ".", "--wheel-dir", str(folder), *offline, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else_of_the_checkout(wheel):
    files = [path for package in ("engine", "eval", "demo") for path in (ROOT / package).rglob("*") if path.is_file()]
    of_packages = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
    of_weights = {
        f"engine/weights/{path.relative_to(ROOT / 'weights')}" for path in (ROOT / "weights").glob("minilm*/*")
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == of_packages | of_weights


def test_the_samples_of_the_documentation_run_outside_a_checkout_with_the_installed_weights(wheel, tmp_path):
    installed = tmp_path / "installed"
    ZipFile(wheel).extractall(installed)  # as pip does
    pages = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/api.md"))
    samples = re.findall(r"^```python\n(.*?)^```$", pages, re.MULTILINE | re.DOTALL)
    runnable = [sample for sample in samples if "gradio_client" not in sample and "FOLDER" not in sample]
    assert len(runnable) >= 4
    code = "\n".join(["from engine import load_engine", "print(load_engine().source)", *runnable])
    source, *found = run(sys.executable, "-P", "-c", code, cwd=tmp_path, installed=installed).splitlines()
    assert Path(source) == installed / "engine" / "weights" / "minilm-l6-bc5cdr"
    assert found == ["0 10 Chemical Famotidine", "22 30 Disease delirium"]
