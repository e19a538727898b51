"""Points chosen again on bootstrap samples: how much the choice varies, without further passes."""

import math

import pytest

from engine.data.corpora import load_corpus
from engine.inspection.cost import Cost
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.text.documents import Document
from engine.text.scoring import Counts
from engine.training import stability
from engine.training.points import Reference, Tried
from engine.training.search import Search
from engine.training.stability import main, plain, resampled, rows, table
from tests.conftest import SAMPLE, contents

DOCUMENTS = 40
REFERENCE = Reference([Document(str(n), "x") for n in range(DOCUMENTS)], ("T",), (Counts(100, 100, 100),) * DOCUMENTS)
DROPS = (0.5, 2.5, 20.0)


def tried(speedup: float, wrong: list[int]) -> Tried:
    """A setting that misses ``wrong[i]`` mentions of document ``i``."""
    counts = tuple(Counts(100 - of, 100, 100) for of in wrong)
    return Tried(
        Strategy("entropy", (1,), EntropyController(speedup / 10)), counts, Cost((1,), 1, 1, 100, round(100 * speedup))
    )


def search(*settings: Tried) -> Search:
    found = Search(None, REFERENCE, DROPS)
    found.parts = {str(number): [one] for number, one in enumerate(settings)}
    return found


def test_documents_that_are_all_alike_give_the_same_choice_in_every_sample():
    alike = search(tried(2.0, [1] * DOCUMENTS), tried(3.0, [2] * DOCUMENTS), tried(4.0, [9] * DOCUMENTS))
    samples = list(resampled(alike, 20, seed=0))
    assert all(
        {point: one.theoretical_speedup for point, one in of.items()} == {"balanced": 3.0, "fast": 4.0}
        for of in samples
    )


def test_documents_that_differ_give_choices_that_vary_and_the_table_says_how_much():
    unlike = search(tried(2.0, [0] * DOCUMENTS), tried(3.0, [30, *[0] * (DOCUMENTS - 1)]))
    samples = list(resampled(unlike, 100, seed=0))
    assert {of["careful"].theoretical_speedup for of in samples} == {2.0, 3.0}  # with and without the bad document
    losses = {plain(one.strategy): one.theoretical_speedup - 2 for one in unlike.measured()}
    exact, _, fast = rows("gold", unlike.chosen(), samples, losses)
    assert (exact.speedup, exact.settings, exact.reached) == (2.0, 2, 1.0)
    assert exact.speedups == (2.0, 3.0)
    assert exact.losses == (0.0, 1.0)
    assert (fast.speedup, fast.loss, fast.settings) == (3.0, 1.0, 1)
    assert "| gold | `exact` | 2.00× [2.00, 3.00] | 0.00 [0.00, 1.00] | 2 | 100% |" in table([exact])


def test_a_point_that_nothing_reaches_has_no_numbers():
    (exact, *_) = rows("gold", {}, [{}, {}], {})
    assert math.isnan(exact.speedup)
    assert "| – [–, –] | – [–, –] | 0 | 0% |" in table([exact])


def documents(path, first, end):
    path.write_text("\n\n".join(SAMPLE.read_text().split("\n\n")[first:end]))
    return path


@pytest.fixture
def splits(tmp_path, monkeypatch):
    """Small files in place of the splits, and few settings to search."""
    splits = {"calib": documents(tmp_path / "calib.txt", 0, 3), "test": documents(tmp_path / "test.txt", 3, 6)}
    grid = [Strategy("entropy", (1, 2), EntropyController(value, 0, True)) for value in (0.2, 0.5)]
    monkeypatch.setattr(stability, "load_corpus", lambda name, split, data_dir: load_corpus(str(splits[split])))
    monkeypatch.setattr(stability, "candidates", lambda name, layers: grid)
    monkeypatch.setattr(stability, "variations", lambda strategy: [])
    return splits


@pytest.fixture
def options(model_folder, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("Famotidine had delirium.\nNausea and hypotension after famotidine.\n")
    options = ["--model", str(model_folder), "--texts", str(texts), "--samples", "5", "--out", str(tmp_path / "out")]
    return [*options, "--agreement", "10,5,1", "--max-f1-drop", "50,60,100"]


def test_the_command_compares_agreement_with_gold_and_goes_on_from_its_logs(splits, options, tmp_path, capsys):
    assert main(options) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name} | `fast` |" in printed for name in ("agreement", "gold"))
    logs = {path.name: path.read_text() for path in (tmp_path / "out").glob("*.jsonl")}
    assert set(logs) == {"agreement.jsonl", "gold.jsonl", "test.jsonl"}
    assert main(options) == 0
    assert capsys.readouterr().out == printed
    assert all((tmp_path / "out" / name).read_text() == log for name, log in logs.items()), "something ran again"
    assert main([*options, "--seed", "1"]) == 2
    assert "got different ['seed']" in capsys.readouterr().err
    documents(splits["calib"], 0, 2)
    assert main(options) == 2
    assert "got different ['gold']; repeat them, or use another --out" in capsys.readouterr().err


def test_files_of_others_are_not_taken_for_logs(splits, options, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gold.jsonl").write_text("a last line that nothing ends")
    before = contents(tmp_path)
    assert main(options) == 2
    assert "with other files in it; use another --out" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_choices_are_not_compared_on_the_documents_that_they_were_made_on(splits, options, tmp_path, capsys):
    splits["test"] = splits["calib"]  # as if one file were both
    assert main(options) == 2
    error = capsys.readouterr().err
    assert "calib.txt all for both; choose another --test-split, or a --corpus with splits" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--samples", "0"], "expected --samples 1 or more, got 0"),
        (["--agreement", "97"], "expected 3 numbers after --agreement, got '97'"),
        (["--agreement", "92,96,97"], "expected ascending points to lose, got [8.0, 4.0, 3.0]"),
        (["--max-f1-drop", "1,0.3,0.1"], "expected ascending points to lose, got [1.0, 0.3, 0.1]"),
    ],
)
def test_wrong_settings_end_with_status_2(options, capsys, wrong, message):
    assert main([*options, *wrong]) == 2
    assert message in capsys.readouterr().err
