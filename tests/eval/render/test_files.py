"""A run's files can be read back, whatever the corpus contains."""

import numpy as np
import pytest

from eval.render.files import read_table


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(name, tmp_path):
    (tmp_path / "subgroups.csv").write_text(f"dtype,strategy,dimension,group,low\nfloat32,{name},type,{name},\n")
    (row,) = read_table(tmp_path, "subgroups").to_dict("records")
    assert (row["strategy"], row["group"]) == (name, name)
    assert np.isnan(row["low"])
