"""The files of a run can be written whatever a corpus holds."""

from pathlib import Path

from eval.render.files import write_page


def test_a_page_is_utf_8_and_a_lone_surrogate_does_not_stop_it(tmp_path: Path) -> None:
    write_page(tmp_path / "page.md", "λ = 0.5 − \ud83d\n")
    assert (tmp_path / "page.md").read_bytes().decode("utf-8") == "λ = 0.5 − ?\n"
