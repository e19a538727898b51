"""A run of which a kill has left any part ends with the files of an undisturbed one; its conditions must be the same.

Real kills at random moments: `tests.fuzz.test_kills`.
"""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch

from engine.models.folder import GATES
from eval.measure import environment, run
from eval.report import main
from tests.conftest import configure, other_tokenizer, scaled

NAME = "run.jsonl"
UNCLOCKED = "^(?!latency_ms|speedup)"  # columns that must be equal in two runs


@pytest.fixture(scope="module")
def options(model_folder, beginnings):
    models = ("--model", str(model_folder), "--others", f"other={model_folder}")
    run = ("--dtype", "float32", "--baselines", "none", "--strategies", "entropy,random@entropy", "--batch-size", "1,4")
    return [*models, *run, "--corpus", str(beginnings), "--limit", "5"]


@pytest.fixture(scope="module")
def undisturbed(options, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    assert resumed(options, out) == 0
    return out


def resumed(options, out):
    return main([*options, "--out", str(out)])


def unclocked(out):
    """What two runs have in common: all but times."""
    tables = {path.stem: pd.read_csv(path) for path in out.glob("*.csv")}
    return {name: table.filter(regex=UNCLOCKED).to_csv() for name, table in tables.items()}


@pytest.mark.parametrize("left", [0.3, 0.8], ids="{:.0%}".format)
def test_what_a_kill_has_left_is_continued_to_the_files_of_an_undisturbed_run(options, undisturbed, tmp_path, left):
    shutil.copy(undisturbed / "run.json", tmp_path)  # the conditions
    log = (undisturbed / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(log[: int(left * len(log))])  # its last line is half-written
    assert resumed(options, tmp_path) == 0
    assert unclocked(tmp_path) == unclocked(undisturbed)
    assert "| interruptions | 1 |" in (tmp_path / "report.md").read_text()
    records = map(json.loads, (tmp_path / NAME).read_text().splitlines())
    units = [tuple(record["unit"].values()) for record in records if "unit" in record]
    assert len(units) == len(set(units)) == 2 * (5 + 2)


@pytest.mark.parametrize(("line", "reason"), [
    (None, "got no batch 3 of pass 0 at size 1: a line is missing; restore it"),
    (b'{"unit": {}}\n', "got "),
])  # fmt: skip
def test_a_log_with_a_missing_or_damaged_line_is_refused_and_left_alone(
    options, undisturbed, tmp_path, capsys, line, reason
):
    shutil.copy(undisturbed / "run.json", tmp_path)
    lines = (undisturbed / NAME).read_bytes().splitlines(keepends=True)
    (index,) = (n for n, one in enumerate(lines) if b'"batch_size":1,"pass_number":0,"batch":3' in one)
    lines[index : index + 1] = [line] if line else []
    (tmp_path / NAME).write_bytes(b"".join(lines))
    assert resumed(options, tmp_path) == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / NAME).read_bytes() == b"".join(lines)


def test_the_report_of_a_finished_run_is_made_from_its_files_alone_without_torch(undisturbed):
    before = (undisturbed / "report.md").read_text()
    results = (undisturbed / "results.json").read_text()
    (undisturbed / "report.md").unlink()
    code = (
        "import sys; from eval.report import main; status = main(sys.argv[1:]); "
        "sys.exit(status or bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    render = [sys.executable, "-c", code, "--out", str(undisturbed), "--render-only"]
    assert subprocess.run(render, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert (undisturbed / "report.md").read_text() == before
    assert (undisturbed / "results.json").read_text() == results


OTHER_MODELS = {
    "weights": lambda folder: scaled(folder, GATES, 1.1),
    "tokenizer": other_tokenizer,
    "configuration": lambda folder: configure(folder, layer_norm_eps=1e-5),
}


@pytest.mark.parametrize(("change", "reason"), [
    ("--threads 2", "with threads 1, got threads 2"),
    ("--dtype int8", "with dtype"),
    ("--timed 3", "with timed"),
    ("--limit 4", "with corpus"),
    ("--set entropy.neighbours=2", "with variants"),
    ("--model {weights}", "with model.weights"),
    ("--model {tokenizer}", "with model.tokenizer"),
    ("--model {configuration}", "with model.configuration.layer_norm_eps"),
    ("--others other={weights}", "with variants.3.other.weights"),
    ("code_digest", "with code "),
    ("machine", "with machine "),
])  # fmt: skip
def test_rejects_changed_conditions(options, undisturbed, model_folder, tmp_path, capsys, monkeypatch, change, reason):
    for name, edit in OTHER_MODELS.items():
        edit(shutil.copytree(model_folder, tmp_path / name))
    changed = change.format(**{name: tmp_path / name for name in OTHER_MODELS}).split()
    if not change.startswith("--"):
        monkeypatch.setattr(run if change == "code_digest" else environment, changed.pop(), lambda *_: "other")
    threads = torch.get_num_threads()
    try:
        assert resumed([*options, *changed], undisturbed) == 2
    finally:
        torch.set_num_threads(threads)
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(("name", "content", "reason"), [
    ("exits.csv", None, "exits.csv"), ("results.csv", "", "No columns"), ("results.json", "[]", ""),
])  # fmt: skip
def test_an_incomplete_run_is_not_rendered(undisturbed, tmp_path, capsys, name, content, reason):
    out = shutil.copytree(undisturbed, tmp_path / "out")
    (out / name).unlink()
    if content is not None:
        (out / name).write_text(content)
    assert main(["--out", str(out), "--render-only"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"expected a finished run in {out}, got none: ")
    assert reason in said
