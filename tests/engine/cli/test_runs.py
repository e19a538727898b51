"""A folder of results: one process at a time, files as a whole, continued only under the same conditions."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from engine.cli.runs import append_line, check_new, code_digest, continues, locked, read_json, replacing, write_json
from engine.errors import InputError
from tests.conftest import contents

CONDITIONS = {"threads": 2, "strategy": {"name": "entropy", "gates": [1, 2]}}
HOLD = """
import sys, time
from pathlib import Path
from engine.cli.runs import locked, replacing
with locked(Path(sys.argv[1])), replacing(Path(sys.argv[1], "a")) as fresh:
    fresh.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_loses_its_lock_and_leaves_the_file_that_was_there(tmp_path):
    out = tmp_path / "new" / "out"
    out.mkdir(parents=True)
    (out / "a").write_text("whole")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(InputError, match="Another process"), locked(out):
            pass
        other.kill()
    for _ in range(100):
        with suppress(InputError), locked(out):
            assert contents(out) == {".lock": b"", "a": b"whole"}
            return
        time.sleep(0.05)
    pytest.fail("the lock outlives its process")


def test_a_new_folder_in_which_nothing_was_written_disappears_and_one_without_files_is_new(tmp_path):
    with suppress(ZeroDivisionError), locked(tmp_path / "new" / "out"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with suppress(ZeroDivisionError), locked(tmp_path / "new" / "out"):
        write_json(tmp_path / "new" / "out" / "a.json", {})
        raise ZeroDivisionError
    assert (tmp_path / "new" / "out" / "a.json").is_file()
    with locked(tmp_path / "other"):
        (tmp_path / "other" / "folder").mkdir()
        check_new(tmp_path / "other")


def test_a_file_is_replaced_as_a_whole_or_not_at_all_and_any_string_survives_in_json(tmp_path):
    path, values = tmp_path / "new" / "a.json", {"file": "caf\udce9", "λ": [1.5, None]}
    write_json(path, values)
    with suppress(KeyboardInterrupt), replacing(path) as fresh:
        fresh.write_text("new")
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [path.parent, path]
    assert read_json(path) == values


def test_a_full_disk_is_reported_by_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left") as error, replacing(tmp_path / "a.json"):
        Path("/dev/full").write_text("x")
    assert error.value.filename == str(tmp_path / "a.json")


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_log_lacks_at_most_the_record_that_was_being_written(cut, tmp_path):
    path = tmp_path / "log.jsonl"
    for record in ({"a": "λ\ud83d"}, {"b": [1, 2.5]}):
        append_line(path, record)
    path.write_bytes(path.read_bytes()[: -cut or None])
    append_line(path, {"c": None})
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert records == [{"a": "λ\ud83d"}, *([] if cut else [{"b": [1, 2.5]}]), {"c": None}]


def test_a_run_continues_under_the_same_conditions_alone(tmp_path):
    assert not continues(tmp_path / "out", "run.json", CONDITIONS)
    assert not (tmp_path / "out").exists()
    write_json(tmp_path / "out" / "run.json", CONDITIONS)
    (tmp_path / "out" / "result").write_text("of the run")
    assert continues(tmp_path / "out", "run.json", CONDITIONS | {"strategy": {"name": "entropy", "gates": (1, 2)}})
    assert continues(tmp_path / "out", "run.json", CONDITIONS | {"threads": 3}, free=["threads"])


@pytest.mark.parametrize(
    ("attempt", "keyword"),
    [
        (lambda out: continues(out, "run.json", CONDITIONS | {"threads": 3}), "with threads 2, not threads 3"),
        (lambda out: continues(out, "run.json", {"threads": 2}), 'name "entropy", .*, not strategy.name none'),
        (lambda out: continues(out, "run.json", CONDITIONS | {"new": "a" * 99}), "with new none, not new .*a…"),
        (lambda out: continues(out, "run.json", CONDITIONS, resume=False), "--resume"),
        (lambda out: continues(out, "other.json", CONDITIONS), "other files"),
        (lambda out: continues(out, "damaged.json", CONDITIONS), "Cannot read .*damaged.json"),
        (lambda out: check_new(out / "run.json"), "other files"),
        (lambda out: read_json(out / "none.json"), "none.json"),
        (lambda out: locked(out / "run.json" / "out").__enter__(), "Cannot write"),
        (lambda out: locked(out / ("a" * 300)).__enter__(), "Cannot write"),
    ],
)
def test_what_would_mix_results_is_refused_and_nothing_is_lost(attempt, keyword, tmp_path):
    write_json(tmp_path / "run.json", CONDITIONS)
    (tmp_path / "damaged.json").write_text("{")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=keyword):
        attempt(tmp_path)
    assert contents(tmp_path) == before


def test_the_digest_of_code_changes_with_every_source_and_its_place(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_up" / "part").mkdir(parents=True)
    first, second = tmp_path / "made_up" / "__init__.py", tmp_path / "made_up" / "part" / "a.py"
    first.touch()
    package, digests = __import__("made_up"), []
    for change in (
        second.touch,
        lambda: first.write_text("# changed"),
        lambda: second.write_text("# changed"),
        lambda: second.rename(tmp_path / "made_up" / "a.py"),
    ):
        change()
        digests.append(code_digest(package))
    assert len(set(digests)) == len(digests)
    (tmp_path / "made_up" / "notes.txt").write_text("no source")
    assert code_digest(package) == digests[-1]
