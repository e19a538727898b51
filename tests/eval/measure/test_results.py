from engine.text.documents import Document
from eval.measure.results import write_predictions


def test_names_of_strategies_never_leave_the_folder_nor_meet(tmp_path):
    names = ["entropy+recovery", "random@entropy", "rule (balanced)", "../a", "a/b", "a_b", "a%2Fb"]
    paths = [write_predictions(tmp_path, name, [Document("1", "Nausea.")]) for name in names]
    assert len(set(paths)) == len(names)
    assert {path.parent for path in paths} == {tmp_path}
