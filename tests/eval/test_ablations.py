import pandas as pd
import pytest

from engine.pruning.recovery import TRIGGERS
from eval.ablations import main
from eval.config import SAMPLE
from eval.measure import ablations
from eval.measure.ablations import failures, series_of


@pytest.fixture(scope="module")
def table(model_folder, beginnings, tmp_path_factory):
    """All rows on five documents."""
    out = tmp_path_factory.mktemp("ablations")
    options = ["--model", str(model_folder), "--corpus", str(beginnings), "--limit", "5", "--out", str(out)]
    assert main(options) in (0, 1)
    return pd.read_csv(out / "ablations.csv", keep_default_na=False)


def select(table, strategy, setting):
    rows = table[(table["strategy"] == strategy) & (table["setting"] == setting)]
    return {row["value"]: row for row in rows.to_dict("records")}


def test_every_setting_that_the_model_has_takes_several_values_and_one_is_its_default(table, engine):
    varied = list(series_of(engine))
    assert {series.strategy for series in varied} == {
        "truncate", "rule", "attention", "attention+recovery", "entropy", "entropy+recovery",
    }  # fmt: skip
    for series in varied:
        rows = select(table, series.strategy, series.setting)
        assert list(rows) == list(series.values)
        assert [row["value"] for row in rows.values() if row["is_default"]] == [series.default]
    for row in table[table["is_default"]].to_dict("records"):
        assert (row["effect"], row["changed_predictions"], row["default_difference"]) == (False, 0, 0)


def test_recovery_is_compared_with_none_each_trigger_and_as_many_random_words(table):
    rows = select(table, "entropy+recovery", "trigger")
    assert set(rows) == {"off", "any", "random words", *TRIGGERS}
    recovered = {value: row["recovered_words"] for value, row in rows.items()}
    assert recovered["off"] == 0
    assert recovered["any"] == recovered["random words"] >= max(recovered[name] for name in TRIGGERS)
    assert rows["any"]["default_difference"] == pytest.approx(rows["any"]["f1"] - rows["off"]["f1"])
    limits = [row["recovered_words"] for row in select(table, "entropy+recovery", "recovery_limit").values()]
    assert limits == sorted(limits)


def made(setting, *values, effects=True, kept=(0.9, 0.8, 0.7)):
    table = pd.DataFrame({"value": values, "effect": effects, "token_layers_kept": kept[: len(values)]})
    return table.assign(setting=setting, strategy="rule", is_default=table.index == 0)


@pytest.mark.parametrize(("rows", "failure"), [
    (made("lambda_", "-1", "0", "1"), None),
    (made("lambda_", "-1", "0", "1", kept=(0.9, 0.7, 0.7)), "λ of rule does not prune more at 1 than at 0"),
    (made("neighbours", "0", "1", "2", effects=[False, False, True]), None),
    (made("neighbours", "0", "1", "2", effects=False), "neighbours of rule has no effect"),
    (made("gates", "1", effects=False), None),  # a model of two layers has one gate alone
])  # fmt: skip
def test_a_lambda_that_does_not_prune_more_and_a_setting_without_effect_fail_by_name(rows, failure):
    failed = failures(rows)
    assert len(failed) == (failure is not None)
    assert all(line.startswith(failure) for line in failed)


def test_the_command_ends_with_status_1_if_a_setting_has_no_effect(model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablations, "ABLATIONS", [("rule", "lambda_", (1e-8,), {"lambda_": 0.0})])
    options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--limit", "2", "--out", str(tmp_path)]
    assert main(options) == 1
    assert "lambda_ of rule has no effect" in capsys.readouterr().err
    assert "> **Failed**: " in (tmp_path / "ablations.md").read_text()
    assert (tmp_path / "ablations.png").is_file()
