"""The files of a report: the columns of each, and the fixed terms in them. Imports no project code.

Each file has a class whose fields are its columns, in order. F1, its differences, intervals and shares are 0–1;
intervals (``low``, ``high``) are 95 %, NaN if there are too few documents or batches; ``significant`` means that the
interval rules out equality. A variant is identified by ``strategy`` (as typed; the name of a baseline or another model)
and ``dtype``, the number format that it runs in. Files of analyses have an extra first column, ``dtype``, before those
of their class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

DENSE, HF, TRUNCATE, RANDOM = "dense", "hf", "truncate", "random"
BASELINE, MODEL = "baseline", "model"  # kinds of variants other than strategies
RANDOM_SEEDS = 5

# In ``errors.csv``; `eval.analysis.errors` defines them.
EXACT, BOUNDARY, TYPE, MISSED, SPURIOUS = "exact", "wrong boundary", "wrong type", "missed", "spurious"
OUTCOMES = (EXACT, BOUNDARY, TYPE, MISSED, SPURIOUS)
CONTEXT, NOT_RECOVERED, CUT, AT_GATE = "context lost", "not recovered", "span cut", "mislabelled at the gate"
LESS_CONTEXT, RIGHT_AT_GATE = "less context", "right at the gate"
AGAINST_GOLD, AGAINST_DENSE, CAUSED, FIXED = "against gold", "against dense", "caused", "fixed"
WAYS = {CAUSED: (AT_GATE, CONTEXT, CUT, NOT_RECOVERED), FIXED: (RIGHT_AT_GATE, LESS_CONTEXT)}
NO_PARTNER = "none"

FATES = ("right_at_gate", "wrong_at_gate", "recovered_right", "recovered_wrong")  # of exiting words, in ``exits.csv``

MIN_SUPPORT = 20  # gold mentions that a group needs before its loss is compared with another's
OF_TRAINING = ("training split", "frequency")  # group dimensions that need the corpus' training split

DIGITS, MORE_DIGITS = "%.7g", "%.10g"  # number formats in files: of measurements, and of shares and counts

CASES_OF_A_KIND = 3  # in ``cases.json`` per strategy, part and way

# Measures of ``cost.csv``.
GMACS, TOKEN_LAYERS, PEAK_MEMORY, MILLISECONDS = "gmacs", "token_layers", "peak_mib", "ms"
HELD_MEMORY = "held_mib"
THEORETICAL, MEASURED, MEASURED_LOW, MEASURED_HIGH = "theoretical", "measured", "measured_low", "measured_high"
SPEEDUPS = (THEORETICAL, MEASURED, MEASURED_LOW, MEASURED_HIGH)
ALL = "all"  # documents
SEQEVAL = "seqeval"  # replaces the type in a column name: all types, strict IOB2 on words

# Settings in ``ablations.csv`` that belong to no controller.
LAMBDA, RECOVERY, WEIGHTS, CONTROLLER = "lambda", "recovery", "weights", "controller"


def columns(row: type) -> tuple[str, ...]:
    """The columns of a file, from the class of its rows."""
    return tuple(row.__annotations__)


def type_column(entity_type: str) -> str:
    """The column of ``results.csv`` for the F1 of one entity type; these columns follow ``recall``."""
    return f"f1_{entity_type.lower()}"


def labels(variants: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Display names of variants, given as strategy and dtype: the strategy, plus the dtype if several ran."""
    pairs = list(dict.fromkeys(variants))
    dtypes = Counter(strategy for strategy, _ in pairs)
    return {(name, dtype): f"{name} ({dtype})" if dtypes[name] > 1 else name for name, dtype in pairs}


class Result(TypedDict):
    """``results.csv``: a variant at a batch size. Costs of baselines and other models are unknown.

    Scores are missing if only speed was measured.
    """

    corpus: str
    split: str
    documents: int
    timed_documents: int
    strategy: str
    kind: str  # dense, hf, truncate, random, a controller's kind, baseline or model
    family: str  # shared by its operating points, or by the depths of truncate
    replays: str  # for random: the strategy whose counts it replays
    prunes: bool  # its controller chooses words
    point: str  # operating point
    batch_size: int  # texts per call
    f1: float  # for random, mean over seeds
    precision: float
    recall: float
    f1_seqeval: float  # strict IOB2 on words
    unscored_predictions: int  # of types that are not scored
    latency_ms_median: float  # of a call, end-to-end
    latency_ms_p95: float
    encoder_ms_median: float
    tokens_per_s: float
    speedup_vs_dense: float  # against dense in the first dtype
    speedup_vs_dense_same_dtype: float | None  # None if dense did not run in it
    theoretical_speedup: float | None  # dense ÷ own MACs
    token_layers_kept: float | None
    token_reduction: float | None  # at the last layer
    gmacs_per_document: float | None  # 10⁹ MACs
    device: str
    dtype: str
    threads: int  # of torch; a baseline's settings state its own
    seed: int  # of the bootstrap, and of the draw of timed documents
    torch: str
    transformers: str
    commit: str


class Interval(TypedDict):
    """``intervals.csv``: one variant against another at a batch size, by F1 and time."""

    strategy: str
    dtype: str
    batch_size: int
    f1: float
    f1_low: float
    f1_high: float
    against: str
    against_dtype: str
    difference: float  # of F1
    low: float
    high: float
    significant: bool
    speedup: float
    speedup_low: float  # NaN with too few batches
    speedup_high: float
    speedup_significant: bool


class BatchTime(TypedDict):
    """``times.csv``: milliseconds of a batch of timed documents, medians over passes."""

    strategy: str
    dtype: str
    batch_size: int
    batch: int
    latency_ms: float
    encoder_ms: float


class Cost(TypedDict):
    """``cost.csv``: one measure of a variant; `eval.measure.cost` defines measures and groups."""

    strategy: str
    dtype: str
    batch_size: int
    measure: str
    group: str
    value: float


class ErrorCount(TypedDict):
    """``errors.csv``: mentions by outcome, and errors that pruning caused and fixed, by how."""

    strategy: str
    part: str
    outcome: str
    how: str
    count: int


class Confusion(TypedDict):
    """``confusion.csv``: pairs of gold and predicted types."""

    strategy: str
    gold: str
    predicted: str
    count: int


class Exit(TypedDict):
    """``exits.csv``: words of a gold label that exit after a layer, by their ``FATES``."""

    strategy: str
    layer: int
    label: str
    words: int
    exited: int
    share_exited: float
    right_at_gate: int
    wrong_at_gate: int
    recovered_right: int
    recovered_wrong: int
    dense_right: int  # among the wrong ones


class Group(TypedDict):
    """``subgroups.csv``: F1 of a group of mentions, and its difference from dense's in the same group."""

    strategy: str
    dimension: str
    group: str
    support: int
    documents: int
    correct: int
    predicted: int
    f1: float
    f1_low: float
    f1_high: float
    recall: float
    difference: float
    low: float
    high: float
    significant: bool
    keep_rate: float  # share of layers that the words of its gold mentions went through


class Gap(TypedDict):
    """``gaps.csv``: one group's difference minus another's; intervals hold jointly for all ``compared`` pairs."""

    strategy: str
    dimension: str
    group: str
    other: str
    gap: float
    low: float
    high: float
    significant: bool
    compared: int


class Ablation(TypedDict):
    """``ablations.csv``: one value of one setting. Changes are counted against the setting's default."""

    setting: str
    strategy: str
    value: str
    is_default: bool
    weights: str
    f1: float
    f1_low: float
    f1_high: float
    dense_f1: float
    difference: float  # from dense
    low: float
    high: float
    significant: bool
    default_difference: float  # from the default
    default_low: float
    default_high: float
    default_significant: bool
    token_layers_kept: float
    theoretical_speedup: float
    recovered_words: int
    changed_predictions: int
    changed_words: int
    effect: bool


class SeedMean(Interval):
    """A comparison of two variants at a batch size, over weights of several seeds."""

    seeds: int
    f1_lowest: float
    f1_highest: float
    speedup_lowest: float
    speedup_highest: float
    theoretical_speedup: float
