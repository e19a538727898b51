"""Killed at any moment and started again, a run ends with the files of an undisturbed one."""

import copy
import json
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from engine.checkpoint import save_weights
from engine.runs import Log
from eval.measure import environment
from eval.report import SAMPLE, main

# All clock-dependent columns; the rest must be equal in two runs.
NAME = "run.jsonl"
TIMES = {
    "results": "latency_ms_median latency_ms_p95 encoder_ms_median tokens_per_s speedup_vs_dense "
    "speedup_vs_dense_same_dtype",
    "intervals": "speedup speedup_low speedup_high speedup_significant",
    "times": "latency_ms encoder_ms",
}
CLOCKED = ["measured", "measured_low", "measured_high", "ms", "held_mib"]


class KilledError(BaseException):
    """What no handler catches."""


@pytest.fixture(scope="module")
def options(model_folder):
    strategies = "entropy,random"
    sizes = ("--batch-size", "1,4", "--limit", "5")
    return ["--model", str(model_folder), "--corpus", str(SAMPLE), "--strategies", strategies, *sizes]


@pytest.fixture(scope="module")
def undisturbed(options, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    assert resumed(options, out) == 0
    return out


def kill(monkeypatch, appends, *, half):
    """Kills the process at that append, with half of its line on disk or none."""
    append, left = Log.append, iter(range(appends))

    def killing(log, record):
        if next(left, None) is None:
            if half:
                line = json.dumps(record).encode()
                with log.path.open("ab") as file:
                    file.write(line[: len(line) // 2])
            raise KilledError
        append(log, record)

    monkeypatch.setattr(Log, "append", killing)


def without_times(folder):
    tables = {name: pd.read_csv(folder / f"{name}.csv").drop(columns=drop.split()) for name, drop in TIMES.items()}
    analyses = ("errors", "confusion", "exits", "subgroups", "gaps")
    tables |= {name: pd.read_csv(folder / f"{name}.csv") for name in analyses}
    cost = pd.read_csv(folder / "cost.csv")
    return tables | {"cost": cost[~cost["measure"].isin(CLOCKED)]}


def predicted(folder):
    return {path.name: path.read_text() for path in (folder / "predictions").iterdir()}


def resumed(options, out):
    return main([*options, "--predictions", str(out / "predictions"), "--out", str(out)])


def test_killed_three_times_the_files_are_those_of_an_undisturbed_run(options, undisturbed, tmp_path):
    lines = []
    for appends, half in ((4, True), (9, False), (14, True)):  # in the first pass, in a later one, at the other size
        with pytest.MonkeyPatch.context() as patch:
            kill(patch, appends, half=half)
            with pytest.raises(KilledError):
                resumed(options, tmp_path)
        lines.append((tmp_path / NAME).read_bytes().count(b"\n"))
    assert lines == sorted(set(lines)), "every start gets further"
    assert resumed(options, tmp_path) == 0
    ours, theirs = without_times(tmp_path), without_times(undisturbed)
    for name, table in theirs.items():
        pd.testing.assert_frame_equal(ours[name], table)
    assert set(predicted(tmp_path)) == {f"{name}.pubtator" for name in ("dense", "entropy", "random")}
    assert predicted(tmp_path) == predicted(undisturbed)
    assert (tmp_path / "cases.json").read_text() == (undisturbed / "cases.json").read_text()
    assert "interruptions: 3" in (tmp_path / "report.md").read_text()
    units = [
        tuple(record["unit"].values())
        for record in map(json.loads, (tmp_path / NAME).read_text().splitlines())
        if "unit" in record
    ]
    assert len(units) == len(set(units)) == 4 * (5 + 2)


@pytest.mark.slow
def test_a_process_killed_by_the_system_goes_on_too(options, undisturbed, tmp_path):
    command = [sys.executable, "-m", "eval.report", *options, "--threads", "1", "--out", str(tmp_path)]
    log = tmp_path / NAME
    for lines in (3, 12, 25):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not (log.is_file() and log.read_bytes().count(b"\n") >= lines):
                time.sleep(0.002)
            process.kill()
    assert resumed(options, tmp_path) == 0
    for name, table in without_times(undisturbed).items():
        pd.testing.assert_frame_equal(without_times(tmp_path)[name], table)
    assert predicted(tmp_path) == predicted(undisturbed)


def test_the_report_of_a_finished_run_is_made_from_its_files_alone_without_torch(undisturbed):
    before = (undisturbed / "report.md").read_text()
    results = json.loads((undisturbed / "results.json").read_text())
    (undisturbed / "report.md").unlink()
    code = (
        "import sys; from eval.report import main; status = main(sys.argv[1:]); "
        "sys.exit(status or bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    render = [sys.executable, "-c", code, "--out", str(undisturbed), "--render-only"]
    assert subprocess.run(render, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert (undisturbed / "report.md").read_text() == before
    assert json.loads((undisturbed / "results.json").read_text()) == results
    assert set(results) == {"about", "notes"}


def test_other_conditions_are_refused_with_the_reason(options, undisturbed, weights, tmp_path, capsys, monkeypatch):
    out = ["--out", str(undisturbed)]
    other = copy.deepcopy(weights.model)
    other.heads["3"].bias.data[0] += 0.5
    save_weights(tmp_path / "other", other, weights.tokenizer)
    threads = torch.get_num_threads()
    try:
        for change, reason in (
            (["--threads", str(threads + 1)], f"with threads {threads}, got threads {threads + 1}"),
            (["--dtype", "bfloat16"], "with dtype"),
            (["--timed", "3"], "with timed"),
            (["--limit", "4"], "with corpus"),
            (["--set", "entropy.neighbours=2"], "with variants"),
            (["--model", str(tmp_path / "other")], "with model.weights"),
        ):
            assert main([*options, *change, *out]) == 2
            assert reason in capsys.readouterr().err
            torch.set_num_threads(threads)
        monkeypatch.setattr(environment, "code_digest", lambda *_: "other")
        assert main([*options, *out]) == 2
        assert "with code" in capsys.readouterr().err
    finally:
        torch.set_num_threads(threads)


def test_a_folder_without_a_run_cannot_be_rendered(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--render-only"]) == 2
    assert "expected a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gaps.csv", None),
        ("intervals.csv", "strategy,dtype\ndense,float32\n"),
        ("results.json", "[]"),
        ("cases.json", "[{"),
    ],
)
def test_a_damaged_run_is_not_rendered(undisturbed, tmp_path, capsys, name, content):
    out = shutil.copytree(undisturbed, tmp_path / "out")
    (out / name).unlink()
    if content is not None:
        (out / name).write_text(content)
    assert main(["--out", str(out), "--render-only"]) == 2
    assert f"expected a finished run in {out}, got none: " in capsys.readouterr().err


def test_what_auto_chose_stays_chosen(model_folder, tmp_path):
    options = ["--model", str(model_folder), "--limit", "1", "--strategies", "dense", "--out", str(tmp_path)]
    assert main([*options, "--dtype", "float32"]) == 0
    assert main([*options, "--dtype", "auto"]) == 0, "whatever it would choose now"
    assert set(pd.read_csv(tmp_path / "results.csv")["dtype"]) == {"float32"}
