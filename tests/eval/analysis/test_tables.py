from eval.render.files import read_table, read_tables
from eval.schema import RESIDENT


def test_every_table_of_losses_has_all_strategies_and_counts_of_groups_are_those_of_the_scorer(analysed):
    _, counts, out = analysed
    dense, *pruning = counts
    tables = read_tables(out, "errors", "confusion", "exits", "subgroups")
    for name, table in tables.items():
        assert list(table["strategy"].unique()) == (pruning if name == "exits" else [dense, *pruning])
    groups = tables["subgroups"]
    for strategy, total in counts.items():
        of = groups[groups["strategy"] == strategy]
        for dimension in ("type", "training split"):
            sums = of[of["dimension"] == dimension][["correct", "predicted", "support"]].sum()
            assert sums.tolist() == [total.correct, total.predicted, total.gold]


def test_each_layer_says_what_it_computed_and_memory_is_that_of_a_process_with_the_variant_alone(analysed):
    *_, out = analysed
    cost = read_table(out, "cost").set_index(["strategy", "batch_size", "measure", "group"])["value"].sort_index()
    assert cost.index.is_unique
    assert cost["dense", 1, "token_layers"].tolist() == [1, 1, 1]
    assert cost["truncate-1", 1, "token_layers"].tolist() == [1, 0, 0]
    assert 0 < cost["entropy", 1, "token_layers", "layer 3"] < 1
    assert cost["dense", 1, "held_mib", RESIDENT] == 2**10
