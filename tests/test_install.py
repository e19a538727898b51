"""What an installed copy has and needs: extras, the files of the wheel, samples that run outside a checkout."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from engine.pytorch.checkpoint import load_huggingface
from eval.config import SAMPLE

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = "accelerate adjustText datasets gradio jinja2 markdown_it matplotlib nncf onnx openvino pandas ray seqeval "
HEAVY += "sentencepiece spacy torch transformers"
LIGHT = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r}.split()))"  # as after `pip install .` alone
COMMAND = f"{LIGHT}; import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
PIPELINE = f"{LIGHT}; from engine import pipeline; print(pipeline('ner')('Aspirin.')[0]['word'])"


def run(*command, cwd=ROOT, installed=""):
    """A finished command in a folder, with an installed copy first on Python's path."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_requirements_are_those_of_the_app_reports_and_training_with_the_same_limits():
    needed = set(PROJECT["dependencies"])
    for extra in ("app", "eval", "training"):
        needed |= {line for line in PROJECT["optional-dependencies"][extra] if not line.startswith(PROJECT["name"])}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {line.partition("#")[0].strip() for line in lines} - {""} == needed


def test_all_extras_are_in_all():
    extras, seen, rest = PROJECT["optional-dependencies"], set(), ["all"]
    while rest:
        seen |= {extra := rest.pop()}
        ours = [requirement for requirement in map(Requirement, extras[extra]) if requirement.name == PROJECT["name"]]
        rest += [name for requirement in ours for name in requirement.extras]
    assert seen == extras.keys() - {"dev"}


def test_a_text_is_tagged_and_exported_with_the_light_install(tmp_path):
    (tmp_path / "a.txt").write_text("Famotidine-associated delirium.")
    done = run(sys.executable, "-c", COMMAND, "engine.tag", str(tmp_path / "a.txt"))
    assert "\tdelirium\tDisease\t" in done.stdout, done.stderr
    done = run(sys.executable, "-c", COMMAND, "engine.export", "--out", str(tmp_path / "tagger"))
    assert (tmp_path / "tagger" / "model.onnx").is_file(), done.stderr
    assert run(sys.executable, "-c", PIPELINE).stdout == "aspirin\n"


@pytest.fixture(scope="module")
def bin_folder(model_folder, tmp_path_factory):
    """A checkpoint whose weights are in ``.bin``."""
    import torch

    folder = tmp_path_factory.mktemp("bin")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((model_folder / name).read_bytes())
    torch.save(load_huggingface(model_folder).state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize(("command", "extra"), [
    ("demo", "app"),
    ("engine.bulk SAMPLE --out OUT --workers 1", "bulk"),
    ("engine.tag SAMPLE --model BIN", "training"),
    ("engine.training.accelerate BIN --texts SAMPLE --out OUT", "training"),
    ("engine.training.cascade BIN --small BIN --texts SAMPLE --out OUT", "training"),
    ("eval.ablations --corpus SAMPLE --out OUT", "eval"),
    ("eval.report --corpus SAMPLE --out OUT", "eval"),
])  # fmt: skip
def test_a_command_that_lacks_a_package_says_in_one_line_what_to_install(command, extra, bin_folder, tmp_path):
    places = {"SAMPLE": str(SAMPLE), "OUT": str(tmp_path / "out"), "BIN": str(bin_folder)}
    module, *arguments = [re.sub("SAMPLE|OUT|BIN", lambda name: places[name[0]], part) for part in command.split()]
    done = run(sys.executable, "-c", COMMAND, module, *arguments)
    (said,) = done.stderr.splitlines()
    assert re.fullmatch(rf'The package \S+ is missing\. .*pip install "\.\[{extra}\]"(, or run make \w+ there)?', said)
    assert done.returncode == 2


def build(target, folder):
    """Builds an archive as pip does; returns it."""
    done = run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder))
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_sdist_holds_all_of_the_repository_and_the_page_of_the_index_has_no_relative_link(tmp_path):
    with tarfile.open(build("sdist", tmp_path)) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
        name = next(name for name in archive.getnames() if name.endswith("/PKG-INFO"))
        description = archive.extractfile(name).read().decode().partition("\n\n")[2]
    listed = run("git", "ls-files", "-z")
    if listed.returncode == 0:
        assert {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()} - packed == set()
    assert {"CITATION.cff", "CHANGELOG.md", "docs/api.md", "tests/conftest.py"} <= packed
    assert description.startswith("# ")
    assert re.findall(r"\]\((?!https://)", description) == []


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with what pip would install, but for the requirements."""
    folder = tmp_path_factory.mktemp("installed")
    ZipFile(wheel).extractall(folder)
    return folder


def test_the_wheel_holds_the_packages_and_of_the_docs_what_the_app_shows(wheel):
    files = [path for package in ("engine", "eval", "demo") for path in (ROOT / package).rglob("*") if path.is_file()]
    of_packages = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
    of_weights = {
        f"engine/weights/{path.relative_to(ROOT / 'weights')}" for path in (ROOT / "weights").glob("minilm*/*")
    }
    shown = ("report.md", "results.json", "results.csv", "intervals.csv", "confusion.csv", "*.png")
    pages = [ROOT / "README.md", *(path for name in shown for path in (ROOT / "docs").glob(f"*/{name}"))]
    of_project = {f"demo/project/{path.relative_to(ROOT).as_posix()}" for path in pages}
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == of_packages | of_weights | of_project
    assert wheel.stat().st_size < 100e6  # what PyPI allows


APP = """
from demo.app import build_demo
from demo.evidence import ROOT, find_report
from engine import load_engine
engine = load_engine()
build_demo(engine)
print(ROOT, engine.source, find_report(engine).name)
"""


def test_the_app_of_an_installed_copy_has_the_report_that_it_shows(installed, tmp_path):
    done = run(sys.executable, "-P", "-c", APP, cwd=tmp_path, installed=installed)
    weights = installed / "engine" / "weights" / "minilm-l6-bc5cdr"
    assert done.stdout == f"{installed / 'demo' / 'project'} {weights} bc5cdr-test\n", done.stderr


def test_the_samples_of_the_documentation_run_outside_a_checkout_with_the_installed_weights(installed, tmp_path):
    pages = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/api.md"))
    samples = re.findall(r"^```python\n(.*?)^```$", pages, re.MULTILINE | re.DOTALL)
    runnable = [sample for sample in samples if "gradio_client" not in sample and "FOLDER" not in sample]
    assert len(runnable) >= 4
    first, *others = runnable
    code = "\n".join(["from engine import load_engine", "print(load_engine().source)", first, *others])
    done = run(sys.executable, "-P", "-c", code, cwd=tmp_path, installed=installed)
    assert done.returncode == 0, done.stderr
    source, *found = done.stdout.splitlines()
    assert Path(source) == installed / "engine" / "weights" / "minilm-l6-bc5cdr"
    assert found[:2] == ["0 10 Chemical Famotidine", "22 30 Disease delirium"]
    assert len(found) > len(runnable), "each prints what it makes"
