from eval.render.files import read_tables


def test_every_table_of_losses_has_all_strategies_and_columns(analysed):
    _, (dense, *pruning), out = analysed
    tables = read_tables(out, "errors", "confusion", "exits", "subgroups")
    for name, table in tables.items():
        assert list(table["strategy"].unique()) == (pruning if name == "exits" else [dense, *pruning])


def test_the_counts_of_groups_are_those_of_the_scorer(analysed):
    _, counts, out = analysed
    groups = read_tables(out, "subgroups")["subgroups"]
    for strategy, total in counts.items():
        of = groups[groups["strategy"] == strategy]
        for dimension in ("type", "training split"):
            sums = of[of["dimension"] == dimension][["correct", "predicted", "support"]].sum()
            assert sums.tolist() == [total.correct, total.predicted, total.gold]
