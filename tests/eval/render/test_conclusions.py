import pytest

from eval.render.conclusions import Opening
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


def result(strategy, kind=None, replays="", difference=0.0, speedup=1.0, size=1):
    kind = kind or strategy
    return {
        "strategy": strategy, "label": strategy, "dtype": "float32", "kind": kind, "replays": replays,
        "prunes": kind in ("rule", "entropy"), "batch_size": size, "f1": 0.85 + difference,
        "speedup_vs_dense": speedup,
    }  # fmt: skip


def opening(*variants, pairs=(), **settings):
    """The `Opening` of variants given to `result`."""
    rows = [result("dense"), *(result(**variant) for variant in variants)]
    columns = ("strategy", "difference", "speedup", "size")
    intervals = [interval("dense", **settings)]
    intervals += [interval(**{key: of[key] for key in columns if key in of}, **settings) for of in variants]
    return Opening(rows, [*intervals, *pairs])


def baseline(strategy, speedup, difference=0.0):
    return {"strategy": strategy, "kind": "baseline", "speedup": speedup, "difference": difference}


FAST = {"strategy": "entropy:fast", "kind": "entropy", "difference": -0.0005, "speedup": 1.8}
RISKY = {"strategy": "mlp", "kind": "entropy", "difference": -0.0028, "speedup": 2.2}
OTHERS = (
    {"strategy": "rule", "difference": -0.0042, "speedup": 2.5},
    {"strategy": "truncate-2", "kind": "truncate", "difference": -0.04, "speedup": 1.8},
    {"strategy": "truncate-3", "kind": "truncate", "difference": -0.005, "speedup": 1.3},
    {"strategy": "random", "kind": "random", "replays": "entropy:fast", "difference": -0.03, "speedup": 1.9},
    {"strategy": "random@rule", "kind": "random", "replays": "rule", "difference": -0.03, "speedup": 1.9},
    baseline("onnx", 1.1),
)


def test_the_sentences_name_the_strategy_its_f1_why_it_is_shown_and_what_it_beats():
    pairs = [
        interval("entropy:fast", "truncate-3", difference=0.0045, speedup=1.4),
        interval("entropy:fast", "onnx", difference=-0.0005, speedup=1.64),
    ]
    assert opening(FAST, *OTHERS, pairs=pairs).sentences() == [
        "`entropy:fast` is 1.80× as fast as `dense` at batch size 1.",
        "Its F1 is 0.8495, against 0.8500 for `dense`: -0.05 pp [-0.15, +0.05], not significant.",
        "It is the fastest strategy that loses at most 0.3 pp of F1 with 95 % confidence.",
        "It is 1.64× as fast as `onnx`, the fastest full-model baseline that loses at most 1 pp, with no significant "
        "difference in F1 (-0.05 pp [-0.15, +0.05]) and 1.40× as fast as `truncate-3`, where every word exits at one "
        "layer, and more accurate (+0.45 pp [+0.35, +0.55]).",
    ]


def test_the_rows_show_dense_the_strategy_and_what_it_must_beat():
    assert [row[1:4] for row in opening(FAST, *OTHERS).table().rows] == [
        ["dense", "0.8500", "—"],
        ["entropy:fast", "0.8495", "-0.05 [-0.15, +0.05] (n.s.)"],
        ["truncate-3", "0.8450", "-0.50 [-0.60, -0.40]"],
        ["random", "0.8200", "-3.00 [-3.10, -2.90]"],
        ["onnx", "0.8500", "+0.00 [-0.10, +0.10] (n.s.)"],
    ]


def test_the_fastest_that_is_certain_is_recommended_and_the_fastest_at_a_risk_named_beside_it():
    found = opening(FAST, RISKY, *OTHERS)
    assert found.recommended["strategy"] == "entropy:fast"
    assert "; `mlp` is faster (2.20×) but may lose more: -0.28 pp [-0.38, -0.18]." in found.sentences()[2]
    assert [row[1] for row in found.table().rows[:3]] == ["dense", "entropy:fast", "mlp"]


def test_without_certainty_the_fastest_measured_to_be_near_is_recommended():
    found = opening(FAST, RISKY, error=0.0075)
    assert found.recommended["strategy"] == "mlp"
    _, f1, why = found.sentences()
    assert f1.endswith("not significant; a loss of more than 0.3 pp cannot be ruled out.")
    assert why.endswith("none does so with 95 % confidence.")


def test_where_nothing_near_is_faster_the_fastest_is_shown_but_not_recommended():
    slow = opening(FAST | {"speedup": 1.04}, {"strategy": "rule", "difference": -0.01, "speedup": 2})
    assert slow.recommended is None
    first, _, why = slow.sentences()
    assert first.startswith("`rule` is 2.00× as fast")
    assert "all that are faster than dense lose more than 0.3 pp" in why
    assert slow.table().rows[1][:2] == ["fastest strategy", "rule"]


def test_what_is_significantly_faster_is_named_and_is_not_what_is_beaten_if_it_loses_much():
    variants = [baseline("spacy", 2.7, -0.02), baseline("ctranslate2", 2.0, float("nan")), baseline("ov", 1.82, -0.02)]
    ratios = {"onnx": 1.64, "spacy": 1 / 1.5, "ctranslate2": 0.9, "ov": 0.99}
    pairs = [interval("entropy:fast", name, speedup=ratio) for name, ratio in ratios.items()]
    found = opening(FAST, *OTHERS, *variants, pairs=pairs)
    *_, beaten, faster = found.sentences()
    assert "`onnx`, the fastest full-model baseline" in beaten
    assert faster == (
        "At batch size 1, significantly faster than `entropy:fast`: `spacy` (1.50× as fast, F1 0.8300) and "
        "`ctranslate2` (1.11× as fast, speed only)."
    )
    assert found.table().rows[-1][:2] == ["fastest full-model baseline within 1 pp", "onnx"]


def test_a_truncated_baseline_stands_beside_the_fastest_that_runs_the_full_model():
    ov, cut = baseline("openvino", 1.3), baseline("openvino truncate-3", 2.4, -0.005)
    pairs = [interval("entropy:fast", "openvino", speedup=1.4), interval("entropy:fast", cut["strategy"], speedup=0.75)]
    found = opening(FAST, ov, cut, pairs=pairs)
    assert [row[:2] for row in found.table().rows[2:]] == [
        ["fastest full-model baseline within 1 pp", "openvino"],
        ["fastest truncated baseline within 1 pp", "openvino truncate-3"],
    ]
    *_, beaten, faster = found.sentences()
    assert beaten.startswith("It is 1.40× as fast as `openvino`, the fastest full-model baseline")
    assert faster == (
        "At batch size 1, significantly faster than `entropy:fast`: `openvino truncate-3` (1.33× as fast, F1 0.8450)."
    )


def test_every_batch_size_has_its_speedup():
    small, large = ([FAST | {"size": size}, baseline("onnx", 1.1) | {"size": size}] for size in (1, 32))
    large[0]["speedup"] = 2.1
    pairs = [interval("entropy:fast", "onnx", speedup=speed, size=size) for size, speed in ((1, 1.64), (32, 1.9))]
    first, *_, beaten = opening(*small, *large, {"strategy": "dense", "size": 32}, pairs=pairs).sentences()
    assert first == "`entropy:fast` is 1.80× as fast as `dense` at batch size 1 and 2.10× at batch size 32."
    assert beaten.startswith("It is 1.64× as fast (1.90× at batch size 32) as `onnx`, ")


def test_too_few_batches_for_an_interval_are_said():
    assert speedup(interval("entropy", speedup=2.0, noise=float("nan"))) == "2.00× [too few batches]"
    (sentence,) = opening(FAST, noise=float("nan")).sentences()
    assert "too few batches of 1 were timed" in sentence


@pytest.mark.parametrize(("difference", "error", "shown"), [
    (0.005, 0.001, "+0.50 [+0.40, +0.60]"),
    (0.0, 0.001, "+0.00 [-0.10, +0.10] (n.s.)"),
    (float("nan"), 0.001, "speed only"),
    (0.00513, 0.00511, "+0.51 [+0.002, +1.024]"),
    (-0.00513, 0.00511, "-0.51 [-1.024, -0.002]"),
    (0.00511, 0.00513, "+0.51 [-0.002, +1.024] (n.s.)"),
    (0.000003, 0.000001, "+0.00 [+0.0002, +0.0004]"),
    (0.0, 0.0, "+0.00 [+0.00, +0.00] (n.s.)"),
])  # fmt: skip
def test_an_interval_of_f1_shows_on_which_side_of_no_difference_it_lies(difference, error, shown):
    assert pp(interval("entropy", difference=difference, error=error) | {"against": "onnx"}) == shown


def test_an_interval_of_a_speedup_shows_on_which_side_of_1_it_lies():
    assert speedup(interval("entropy", "onnx", speedup=1.052, noise=0.051)) == "1.05× [1.001, 1.103]"
