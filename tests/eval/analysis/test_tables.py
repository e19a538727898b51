import pandas as pd

from eval.schema import RESIDENT


def test_every_table_of_losses_has_all_strategies_and_counts_of_groups_are_those_of_the_scorer(analysed):
    counts, out = analysed
    dense, *pruning = counts
    for name in ("errors", "confusion", "exits", "subgroups"):
        variants = pd.read_csv(out / f"{name}.csv")["variant"].unique()
        assert list(variants) == (pruning if name == "exits" else [dense, *pruning])
    groups = pd.read_csv(out / "subgroups.csv")
    for variant, total in counts.items():
        of_variant = groups[groups["variant"] == variant]
        for dimension in ("type", "training split"):
            sums = of_variant[of_variant["dimension"] == dimension][["correct", "predicted", "support"]].sum()
            assert sums.tolist() == [total.correct, total.predicted, total.gold]


def test_each_layer_says_what_it_computed_and_memory_is_that_of_a_process_with_the_variant_alone(analysed):
    cost = pd.read_csv(analysed[-1] / "cost.csv").set_index(["variant", "batch_size", "measure", "group"])["value"]
    cost = cost.sort_index()
    assert cost.index.is_unique
    assert cost["dense", 1, "token_layers"].tolist() == [1, 1, 1]
    assert cost["truncate-1", 1, "token_layers"].tolist() == [1, 0, 0]
    assert 0 < cost["entropy", 1, "token_layers", "layer 3"] < 1
    assert cost["dense", 1, "held_mib", RESIDENT] == 2**10
