import pytest

from engine.text.documents import Document, Entity
from eval.agreement import main, rows


def documents(*starts: tuple[int, ...]) -> list[Document]:
    """A document with entities at these places, for each tuple."""
    entities = [tuple(Entity(start, start + 1, "T", "x") for start in of) for of in starts]
    return [Document(str(number), "x" * 9, of) for number, of in enumerate(entities)]


def test_agreement_is_f1_and_does_not_depend_on_who_is_first():
    one, two = documents((0, 2), (4,), ()), documents((0,), (4,), (6,))
    (total, of_type), (swapped, _) = rows(one, two, ("T",)), rows(two, one, ("T",))
    assert total[1:3] == swapped[1:3]
    assert float(total[2]) > 0
    assert (total[1], *total[3:]) == (f"{100 * 2 * 2 / (3 + 3):.2f}", "3", "3", "2")
    assert of_type[1:] == total[1:]


@pytest.mark.parametrize(("one", "other", "expected"), [
    ([(0,), ()], [(0,), ()], ("100.00", "0.00", "1", "1", "1")),
    ([()], [()], ("–", "–", "0", "0", "0")),
    ([(0,)], [()], ("0.00", "–", "1", "0", "0")),
    ([()], [(0,)], ("0.00", "–", "0", "1", "0")),
])  # fmt: skip
def test_nothing_against_nothing_is_no_evidence_and_something_against_nothing_no_agreement(one, other, expected):
    total, of_type, absent = rows(documents(*one), documents(*other), ("T", "Gene"))
    assert total[1:] == of_type[1:] == expected
    assert absent == ("Gene", "–", "–", "0", "0", "0")


def test_an_engine_agrees_with_itself_and_less_with_another(model_folder, plain_folder, tmp_path, capsys):
    texts = tmp_path / "texts.txt"
    texts.write_text("Famotidine had delirium.\nNausea and hypotension after famotidine.\n")

    def printed(*options):
        assert main(["--texts", str(texts), *map(str, options)]) == 0
        return capsys.readouterr().out

    assert "| all | 100.00 | 0.00 |" in printed("--model", model_folder, "--strategy", "dense")
    other = printed("--model", model_folder, "--strategy", "truncate-1", "--other", plain_folder)
    assert "truncate-1, float32; B: " in other
    assert "| all | 100.00 |" not in other
    assert all(f"| {type_} |" in other for type_ in ("Chemical", "Disease"))
    assert ", dense, float32; B: " in printed("--model", plain_folder), "it has no gates"
