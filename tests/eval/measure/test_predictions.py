import pytest

from engine.data.formats import WRITERS, read_documents
from engine.errors import InputError
from engine.text.documents import Document, Entity
from eval.measure.run import predictions_file, write_predictions

DOCUMENTS = [
    Document("1", "Aspirin & pain.\nIt helped.", (Entity(0, 7, "Chemical", "Aspirin"),), 15),
    Document("2", "Ödem.\n", (), 5),
]


@pytest.mark.parametrize("format_", WRITERS)
def test_predictions_are_read_again_as_they_were(format_, tmp_path):
    path = write_predictions(tmp_path / "new", "random@entropy", iter(DOCUMENTS), format_)
    assert path == predictions_file(tmp_path / "new", "random@entropy", format_)
    assert list(read_documents(path)) == DOCUMENTS
    assert [file.name for file in path.parent.iterdir()] == [f"random@entropy{WRITERS[format_].suffix}"]


def test_a_run_that_ends_midway_leaves_no_file_that_looks_whole(tmp_path):
    def broken():
        yield DOCUMENTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(tmp_path, "dense", broken())
    assert not predictions_file(tmp_path, "dense").exists()


def test_names_of_strategies_never_leave_the_folder_nor_meet(tmp_path):
    names = ["entropy+recovery", "random@entropy", "rule (balanced)", "../a", "a/b", "a_b", "a%2Fb"]
    paths = [predictions_file(tmp_path, name) for name in names]
    assert len(set(paths)) == len(names)
    assert {path.parent for path in paths} == {tmp_path}
    with pytest.raises(InputError, match="formats"):
        predictions_file(tmp_path, "dense", "xml")
