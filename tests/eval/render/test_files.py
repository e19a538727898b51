"""A run's files can be written and read back, whatever the corpus contains."""

from pathlib import Path

import numpy as np
import pytest

from eval.render.files import complete_table, read_table, write_page


def test_a_page_is_utf_8_and_a_lone_surrogate_does_not_stop_it(tmp_path: Path) -> None:
    write_page(tmp_path / "page.md", "λ = 0.5 − \ud83d\n")
    assert (tmp_path / "page.md").read_bytes().decode("utf-8") == "λ = 0.5 − ?\n"


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "subgroups.csv").write_text(f"dtype,strategy,dimension,group,low\nfloat32,{name},type,{name},\n")
    (row,) = read_table(tmp_path, "subgroups").to_dict("records")
    assert (row["strategy"], row["group"]) == (name, name)
    assert np.isnan(row["low"])


def test_a_table_without_a_column_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("strategy,dtype,batch_size,batch,latency_ms\ndense,float32,1,0,5.0\n")
    with pytest.raises(ValueError, match=r"times\.csv lacks encoder_ms"):
        complete_table(tmp_path, "times")
