"""A run's files can be read back, whatever the corpus contains."""

import numpy as np
import pytest

from eval.render.files import read_complete_table, read_table


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(name, tmp_path):
    (tmp_path / "subgroups.csv").write_text(f"dtype,strategy,dimension,group,low\nfloat32,{name},type,{name},\n")
    (row,) = read_table(tmp_path, "subgroups").to_dict("records")
    assert (row["strategy"], row["group"]) == (name, name)
    assert np.isnan(row["low"])


def test_a_table_without_a_column_is_not_complete(tmp_path):
    (tmp_path / "times.csv").write_text("strategy,dtype,batch_size,batch,latency_ms\ndense,float32,1,0,5.0\n")
    with pytest.raises(ValueError, match=r"times\.csv lacks encoder_ms"):
        read_complete_table(tmp_path, "times")
