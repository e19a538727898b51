"""Files of predictions."""

import pytest

from engine.text.documents import Document, Entity
from eval.measure.results import write_predictions

DOCUMENTS = [
    Document("1", "Aspirin & pain.\nIt helped.", (Entity(0, 7, "Chemical", "Aspirin"),), 15),
    Document("2", "Ödem.\n", (), 5),
]


def test_a_run_that_ends_midway_leaves_no_file_that_looks_whole(tmp_path):
    def broken():
        yield DOCUMENTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(tmp_path, "dense", broken())
    assert list(tmp_path.iterdir()) == []


def test_names_of_strategies_never_leave_the_folder_nor_meet(tmp_path):
    names = ["entropy+recovery", "random@entropy", "rule (balanced)", "../a", "a/b", "a_b", "a%2Fb"]
    paths = [write_predictions(tmp_path, name, DOCUMENTS) for name in names]
    assert len(set(paths)) == len(names)
    assert {path.parent for path in paths} == {tmp_path}
