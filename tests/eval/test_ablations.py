import pandas as pd
import pytest

from engine.formats.corpora import load_corpus
from engine.pruning.recovery import TRIGGERS
from eval.ablations import AblatedSetting, ablate, ablated_settings, ablations_parts, failures, main
from eval.options import SAMPLE
from eval.render.files import read_table, rows_of


@pytest.fixture(scope="module")
def table(engine, beginnings, tmp_path_factory):
    """All rows on five documents."""
    out = tmp_path_factory.mktemp("ablations")
    ablate(engine, load_corpus(str(beginnings), limit=5), out)
    return read_table(out, "ablations")


@pytest.fixture(scope="module")
def rows(table):
    return rows_of(table)


def select(rows, setting, strategy):
    return {row["value"]: row for row in rows if (row["setting"], row["strategy"]) == (setting, strategy)}


def test_every_setting_takes_several_values_and_its_default_is_one_of_them(rows, engine):
    assert {row["setting"] for row in rows} == {
        "lambda", "min_keep_ratio", "gates", "neighbours", "min_exit_ratio", "recovery", "recovery_limit",
    }  # fmt: skip
    assert {row["strategy"] for row in rows} == {"rule", "entropy", "entropy+recovery"}
    for setting in ablated_settings(engine):
        assert sum(row["is_default"] for row in select(rows, setting.name, setting.strategy).values()) == 1
    assert set(select(rows, "recovery", "entropy+recovery")) == {"off", "any", *TRIGGERS}
    recovery = select(rows, "recovery", "entropy+recovery")
    assert recovery["off"]["recovered_words"] == 0
    assert recovery["any"]["recovered_words"] >= max(recovery[name]["recovered_words"] for name in TRIGGERS)
    limits = [row["recovered_words"] for row in select(rows, "recovery_limit", "entropy+recovery").values()]
    assert limits == sorted(limits)


def test_every_value_is_compared_with_the_default_and_the_default_with_itself(rows):
    for row in rows:
        if row["is_default"]:
            assert [row[key] for key in ("effect", "changed_predictions", "changed_words")] == [False, 0, 0]
            assert [row[f"default_{key}"] for key in ("difference", "low", "high", "significant")] == [0, 0, 0, False]
    of = select(rows, "recovery", "entropy+recovery")
    for name in ("any", *TRIGGERS):
        assert of[name]["default_difference"] == pytest.approx(of[name]["f1"] - of["off"]["f1"])
        assert of[name]["default_low"] <= of[name]["default_high"]


def test_recovery_is_compared_with_the_same_gates_without_it(engine, monkeypatch):
    own = engine.strategy("entropy+recovery").with_settings(gates=2, max_entropy=0.3, trigger="any")
    monkeypatch.setattr(engine, "points", {"entropy+recovery": {"balanced": own}})
    (setting,) = [one for one in ablated_settings(engine) if one.name == "recovery"]
    assert engine.strategy("entropy").gates != (2,)
    for one in setting.values.values():
        assert (one.gates, one.controller) == (own.gates, own.controller)
    assert setting.default == setting.values["off"]
    assert setting.default.recovery is None


def made(setting, *values, effects=True, kept=(0.9, 0.8, 0.7)):
    table = pd.DataFrame({"value": values, "effect": effects, "token_layers_kept": kept[: len(values)]})
    return table.assign(setting=setting, strategy="rule", is_default=table.index == 0)


@pytest.mark.parametrize(("rows", "failure"), [
    (made("lambda", "-1", "0", "1"), None),
    (made("lambda", "-1", "0", "1", kept=(0.9, 0.7, 0.7)), "λ of rule: expected fewer token-layers at 1 than at 0"),
    (made("neighbours", "0", "1", "2", effects=[False, False, True]), None),
    (made("neighbours", "0", "1", "2", effects=False), "neighbours of rule: expected an effect on predictions"),
    (made("gates", "1", effects=False), None),  # a model of two layers has one gate alone
])  # fmt: skip
def test_a_lambda_that_does_not_prune_more_and_a_setting_without_effect_fail_by_name(rows, failure):
    found = failures(rows)
    assert len(found) == (failure is not None)
    assert all(one.startswith(failure) for one in found)


def test_the_command_ends_with_status_1_if_a_setting_has_no_effect(model_folder, tmp_path, monkeypatch, capsys):
    def ablated_settings(engine):
        rule = engine.strategy("rule")
        values = {"none": rule, "as much": engine.strategy("rule", lambda_=1e-8)}
        return [AblatedSetting("a_setting", "rule", rule, values)]

    monkeypatch.setattr("eval.ablations.ablated_settings", ablated_settings)
    options = ["--model", str(model_folder), "--corpus", str(SAMPLE), "--limit", "2", "--out", str(tmp_path)]
    assert main(options) == 1
    assert "a_setting of rule: expected an effect" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "ablations.csv")["value"].tolist() == ["none", "as much"]
    assert "> **Failed**: a_setting of rule" in (tmp_path / "ablations.md").read_text()


def test_the_page_comes_from_the_file_alone(table):
    table = table[table["setting"].isin(["lambda", "recovery"])].copy()
    table.loc[table["setting"] == "lambda", "token_layers_kept"] = 0.5
    failed, *_, shown = ablations_parts(table)
    assert failed.startswith("> **Failed**: λ of rule")
    assert len(shown.rows) == len(table)
    assert ["recovery", "entropy+recovery", "off (default)"] in [row[:3] for row in shown.rows]
