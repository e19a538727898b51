"""The opening of a report: what is recommended, what it gains and loses, and what it must beat."""

import pytest

from eval.render.conclusions import LEAST_DIFFERING, LEAST_DOCUMENTS, Opening
from eval.render.text import pp, speedup


def interval(strategy, against="dense", difference=0.0, error=0.001, speedup=1.0, noise=0.05, size=1):
    return {
        "strategy": strategy, "label": strategy, "dtype": "float32", "batch_size": size, "f1": 0.85 + difference,
        "against": against, "against_label": against, "against_dtype": "float32",
        "difference": difference, "low": difference - error, "high": difference + error,
        "significant": abs(difference) > error,
        "speedup": speedup, "speedup_low": speedup - noise, "speedup_high": speedup + noise,
        "speedup_significant": abs(speedup - 1) > noise,
    }  # fmt: skip


def result(strategy, kind=None, replays="", difference=0.0, speedup=1.0, size=1, documents=500, dtype="float32"):
    kind, label = kind or strategy, strategy if dtype == "float32" else f"{strategy} ({dtype})"
    return {
        "strategy": strategy, "label": label, "dtype": dtype, "kind": kind, "replays": replays,
        "prunes": kind in ("rule", "entropy"), "batch_size": size, "f1": 0.85 + difference,
        "speedup_vs_dense": speedup, "documents": documents, "device": "cpu",
    }  # fmt: skip


def opening(*variants, pairs=(), differing=500, documents=500, **settings):
    """The `Opening` of variants given to `result`."""
    rows = [result("dense"), *(result(**variant, documents=documents) for variant in variants)]
    columns = ("strategy", "difference", "speedup", "size")
    intervals = [interval("dense", **settings)]
    intervals += [interval(**{key: of[key] for key in columns if key in of}, **settings) for of in variants]
    return Opening(rows, [*intervals, *pairs], {variant["strategy"]: differing for variant in variants})


def baseline(strategy, speedup, difference=0.0):
    return {"strategy": strategy, "kind": "baseline", "speedup": speedup, "difference": difference}


DEFAULT = {"strategy": "entropy:balanced", "kind": "entropy", "difference": -0.0005, "speedup": 1.8}
RISKY = {"strategy": "mlp", "kind": "entropy", "difference": -0.0008, "speedup": 2.2}
OTHERS = (
    {"strategy": "rule", "difference": -0.0042, "speedup": 2.5},
    {"strategy": "truncate-2", "kind": "truncate", "difference": -0.04, "speedup": 1.8},
    {"strategy": "truncate-3", "kind": "truncate", "difference": -0.005, "speedup": 1.3},
    {"strategy": "random", "kind": "random", "replays": "entropy:balanced", "difference": -0.03, "speedup": 1.9},
    {"strategy": "random@rule", "kind": "random", "replays": "rule", "difference": -0.03, "speedup": 1.9},
    baseline("onnx-int8", 1.1),
)


def test_the_sentences_say_whether_the_default_is_recommended_and_what_it_beats():
    pairs = [
        interval("entropy:balanced", "truncate-3", difference=0.0045, speedup=1.4),
        interval("entropy:balanced", "onnx-int8", difference=-0.0005, speedup=1.64),
    ]
    assert opening(DEFAULT, *OTHERS, pairs=pairs).sentences() == [
        "`entropy:balanced` is recommended: it is the fastest that loses at most 0.3 pp of F1 with 95 % confidence.",
        "`entropy:balanced` is 1.64× as fast as `onnx-int8`, the fastest unpruned baseline that loses at most 1 pp, "
        "with no significant difference in F1 (-0.05 pp [-0.15, +0.05]) and 1.40× as fast as `truncate-3`, where "
        "every word exits at the same layer, and more accurate (+0.45 pp [+0.35, +0.55]).",
    ]


OVER_OTHERS = [
    interval("entropy:balanced", "hf-pipeline", -0.00112, error=0.002, speedup=4.149),
    interval("entropy:balanced", "openvino-int8", speedup=1.6),
    interval("entropy:balanced", "hf-pipeline", speedup=6, size=32),
]


def test_the_claim_compares_the_default_with_what_people_use_one_text_at_a_time_and_comes_first():
    found = opening(DEFAULT, *OTHERS, pairs=OVER_OTHERS)
    assert found.headline() == (
        "4.1× as fast as the Hugging Face pipeline on a CPU (F1 −0.1 pp, not significant), "
        "and 1.6× as fast as OpenVINO in 8 bits"
    )
    assert found.sentences()[0] == f"The default is {found.headline()}."
    slower = interval("entropy:balanced", "onnx-int8", speedup=1.34)
    assert "1.3× as fast as ONNX Runtime in 8 bits" in opening(DEFAULT, pairs=[*OVER_OTHERS, slower]).headline()


@pytest.mark.parametrize(
    ("variant", "pairs"),
    [
        (DEFAULT, OVER_OTHERS[1:]),
        (DEFAULT, OVER_OTHERS[:1]),
        (DEFAULT, [one | {"speedup_low": float("nan")} for one in OVER_OTHERS]),
        (RISKY, OVER_OTHERS),
    ],
    ids=["no pipeline", "no runtime", "too few texts", "no default"],
)
def test_nothing_is_claimed_without_all_that_it_takes(variant, pairs):
    assert opening(variant, pairs=pairs).headline() == ""


def test_the_default_is_shown_in_the_dtype_in_which_it_is_fastest():
    several = [result(**DEFAULT | {"dtype": dtype, "speedup": of}) for dtype, of in (("float32", 2), ("int8", 3))]
    assert Opening([result("dense"), *several], [], {}).default["dtype"] == "int8"


def test_the_rows_show_dense_the_default_and_what_it_must_beat():
    rows = opening(DEFAULT, *OTHERS, baseline("hf-pipeline", 0.7)).table().rows
    assert [row[:4] for row in rows] == [
        ["reference", "dense", "0.8500", "—"],
        ["the default; recommended: loses at most 0.3 pp with 95 % confidence", "entropy:balanced", "0.8495",
         "-0.05 [-0.15, +0.05] (n.s.)"],
        ["every word exits at the same layer", "truncate-3", "0.8450", "-0.50 [-0.60, -0.40]"],
        ["as many words, chosen at random", "random", "0.8200", "-3.00 [-3.10, -2.90]"],
        ["Hugging Face pipeline", "hf-pipeline", "0.8500", "+0.00 [-0.10, +0.10] (n.s.)"],
        ["fastest unpruned baseline within 1 pp", "onnx-int8", "0.8500", "+0.00 [-0.10, +0.10] (n.s.)"],
    ]  # fmt: skip


def test_the_fastest_that_is_certain_is_recommended_and_else_the_fastest_measured_to_be_near():
    certain = DEFAULT | {"strategy": "entropy:careful", "difference": 0.0005, "speedup": 1.6}
    found = opening(DEFAULT | {"difference": -0.0015}, certain, error=0.002)
    assert found.recommended["strategy"] == "entropy:careful"
    *_, why = found.sentences()
    assert why.startswith("Recommended is `entropy:careful` (1.60×, +0.05 pp [-0.15, +0.25]): it is the fastest that ")
    assert [row[1] for row in found.table().rows] == ["dense", "entropy:balanced", "entropy:careful"]
    found = opening(DEFAULT, RISKY, error=0.0075)
    assert found.recommended["strategy"] == "mlp"
    assert found.sentences()[0].endswith("lost at most 0.3 pp of F1, but a larger loss cannot be ruled out.")


@pytest.mark.parametrize(("variants", "reason"), [
    ([DEFAULT | {"difference": -0.0011}], "dense lose more than 0.3 pp of F1, or significantly"),
    ([DEFAULT | {"speedup": 1.04}, {"strategy": "rule", "difference": -0.01, "speedup": 2}], "dense lose more than"),
    ([DEFAULT | {"difference": 0.0, "speedup": 1.01}], "No strategy is significantly faster than dense."),
])  # fmt: skip
def test_a_significant_or_large_loss_or_no_speedup_is_not_recommended_and_that_is_the_reason(variants, reason):
    found = opening(*variants)
    assert found.recommended is None
    assert reason in found.sentences()[0]
    assert found.table().rows[1][:2] == ["the default", "entropy:balanced"]


@pytest.mark.parametrize("few", [{"documents": LEAST_DOCUMENTS - 1}, {"differing": LEAST_DIFFERING - 1}])
def test_too_few_documents_or_differing_entities_are_no_ground_for_a_conclusion(few):
    found = opening(DEFAULT, *OTHERS, **few)
    assert found.recommended is None
    said = " ".join(found.sentences())
    assert "This is too little to conclude from: " in said
    assert "recommended" not in said + str(found.table().rows)
    assert "95 % confidence" not in said
    assert "significant." not in said


def test_nothing_is_recommended_where_dense_finds_too_few_of_the_gold_entities():
    dense, *others = (row | {"f1": row["f1"] - 0.845} for row in opening(DEFAULT, *OTHERS).rows)
    found = Opening([dense, *others], opening(DEFAULT, *OTHERS).intervals, {"entropy:balanced": 500})
    assert found.recommended is None
    said = found.sentences()[0]
    assert "that of dense is 0.005" in said
    assert "recommended" not in said + str(found.table().rows)


def test_what_is_significantly_faster_is_named_and_is_not_what_is_beaten_if_it_loses_much():
    ratios = {"onnx-int8": 1.64, "spacy": 1 / 1.5, "ov": 0.99}
    pairs = [interval("entropy:balanced", name, speedup=ratio) for name, ratio in ratios.items()]
    found = opening(DEFAULT, *OTHERS, baseline("spacy", 2.7, -0.02), baseline("ov", 1.82, -0.02), pairs=pairs)
    *_, beaten, faster = found.sentences()
    assert "`onnx-int8`, the fastest unpruned baseline" in beaten
    assert faster == (
        "At batch size 1, significantly faster than `entropy:balanced`: `spacy` (1.50× as fast, F1 0.8300)."
    )
    assert found.table().rows[-1][:2] == ["fastest unpruned baseline within 1 pp", "onnx-int8"]


def test_a_truncated_baseline_stands_beside_the_fastest_that_runs_the_full_model():
    ov, cut = baseline("openvino", 1.3), baseline("openvino truncate-3", 2.4, -0.005)
    found = opening(DEFAULT, ov, cut, pairs=[interval("entropy:balanced", "openvino", speedup=1.4)])
    assert [row[:2] for row in found.table().rows[2:]] == [
        ["fastest unpruned baseline within 1 pp", "openvino"],
        ["fastest truncated baseline within 1 pp", "openvino truncate-3"],
    ]


def test_every_batch_size_has_its_speedup_in_the_table_and_in_what_is_beaten():
    small, large = ([DEFAULT | {"size": size}, baseline("ov", 1.1) | {"size": size}] for size in (1, 32))
    large[0]["speedup"] = 2.1
    pairs = [interval("entropy:balanced", "ov", speedup=speed, size=size) for size, speed in ((1, 1.64), (32, 1.9))]
    found = opening(*small, *large, {"strategy": "dense", "size": 32}, pairs=pairs)
    assert found.table().rows[1][-2:] == ["1.80× [1.75, 1.85]", "2.10× [2.05, 2.15]"]
    *_, beaten = found.sentences()
    assert beaten.startswith("`entropy:balanced` is 1.64× as fast (1.90× at batch size 32) as `ov`, ")


def test_there_is_no_ratio_over_too_few_batches():
    assert speedup(interval("entropy", speedup=38.25, noise=float("nan"))) == "too few batches"
    found = opening(DEFAULT, noise=float("nan"))
    (said,) = found.sentences()
    assert "too few batches of 1 were timed" in said
    assert "×" not in said
    assert found.table().rows[1][-1] == "too few batches"


def test_an_interval_shows_on_which_side_of_no_difference_it_lies():
    for difference, error, shown in (
        (-0.00513, 0.00511, "-0.51 [-1.024, -0.002]"),
        (0.00511, 0.00513, "+0.51 [-0.002, +1.024] (n.s.)"),
    ):
        assert pp(interval("entropy", difference=difference, error=error) | {"against": "onnx"}) == shown
    assert speedup(interval("entropy", "onnx", speedup=1.052, noise=0.051)) == "1.05× [1.001, 1.103]"
