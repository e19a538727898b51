import pytest

from engine.errors import InputError
from eval.measure.runlog import NAME, RunLog

CONDITIONS = {"threads": 2, "dtype": "float32"}


def written(folder, *records):
    log = RunLog(folder, CONDITIONS)
    for record in records:
        log.append(record)
    return folder / NAME


def test_records_are_read_as_written_and_go_on_after_reopening(tmp_path):
    written(tmp_path, {"a": "λ"}, {"b": [1, 2.5]})
    written(tmp_path, {"c": None})
    assert list(RunLog(tmp_path, CONDITIONS).records()) == [(2, {"a": "λ"}), (3, {"b": [1, 2.5]}), (4, {"c": None})]


@pytest.mark.parametrize("cut", [1, 5, 8])
def test_a_half_written_line_is_dropped(tmp_path, cut):
    path = written(tmp_path, {"a": 1}, {"b": 2})
    path.write_bytes(path.read_bytes()[:-cut])
    written(tmp_path, {"c": 3})
    assert [record for _, record in RunLog(tmp_path, CONDITIONS).records()] == [{"a": 1}, {"c": 3}]


def test_a_half_written_first_line_is_no_run_yet(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:9])
    RunLog(tmp_path, CONDITIONS | {"threads": 4})


def test_other_conditions_are_refused_and_named_and_nothing_is_lost(tmp_path):
    path = written(tmp_path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"the same threads 2, got 4; choose another --out, or remove .*run\.jsonl"):
        RunLog(tmp_path, CONDITIONS | {"threads": 4})
    with pytest.raises(InputError, match='the same weights null, got "ab"'):
        RunLog(tmp_path, CONDITIONS | {"weights": "ab"})
    assert path.read_bytes() == before


def test_a_file_of_another_kind_and_a_broken_record_are_named(tmp_path):
    (tmp_path / NAME).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="to be a run's log"):
        RunLog(tmp_path, CONDITIONS)
    (tmp_path / NAME).unlink()
    path = written(tmp_path, {"a": 1})
    for line in (b"\x00\x00\n", b"[1]\n", b"[" * 100_000 + b"\n"):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]) + line)
        with pytest.raises(InputError, match=rf"expected a record in .*{NAME}:3"):
            list(RunLog(tmp_path, CONDITIONS).records())
