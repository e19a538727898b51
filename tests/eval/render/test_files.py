import numpy as np
import pandas as pd
import pytest

from eval.render.files import labelled, read_table


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(name, tmp_path):
    (tmp_path / "subgroups.csv").write_text(f"dtype,strategy,dimension,group,low\nfloat32,{name},type,{name},\n")
    (row,) = read_table(tmp_path, "subgroups").to_dict("records")
    assert (row["strategy"], row["group"]) == (name, name)
    assert np.isnan(row["low"])


def test_a_strategy_has_its_operating_point_in_its_display_name_typed_or_not():
    points = {"dense": "", "entropy": "balanced", "entropy:fast": "fast", "rule": "custom", "mlp": "default"}
    results = pd.DataFrame({"strategy": points.keys(), "dtype": "float32", "point": points.values()})
    assert list(labelled(results, results)["label"]) == ["dense", "entropy:balanced", "entropy:fast", "rule", "mlp"]
    twice = pd.DataFrame({"strategy": ["entropy", "entropy:balanced"], "dtype": "int8", "point": "balanced"})
    assert list(labelled(twice, twice)["label"]) == ["entropy", "entropy:balanced"]
