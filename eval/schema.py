"""The files of a report: their columns, and the fixed terms in them. Imports no project code.

Each file has a class, listed in ``FILES``, whose fields are its columns in order. F1, its differences, intervals and
shares are 0–1. Intervals (``low``, ``high``) are 95 %, NaN if there are too few documents or batches; ``significant``
means that the interval excludes equality. ``variant`` is the name of what was measured, unique in a run: a strategy
with its operating point, a control, a baseline or another model, followed by its dtype, such as ``dense (int8)``, if
the run has it in several.
"""

from __future__ import annotations

from typing import TypedDict

DENSE, TRUNCATE, RANDOM, CASCADE = "dense", "truncate", "random", "cascade"
BASELINE, MODEL = "baseline", "model"  # kinds of variants that are not strategies
RANDOM_SEEDS = 5
PIPELINE = "hf-pipeline"  # the baseline that people use today: the reference of speed in a report's summary

# Terms of ``errors.csv``, defined in `eval.analysis.errors`.
EXACT, BOUNDARY, TYPE, MISSED, SPURIOUS = "exact", "wrong boundary", "wrong type", "missed", "spurious"
OUTCOMES = (EXACT, BOUNDARY, TYPE, MISSED, SPURIOUS)
CONTEXT, NOT_RECOVERED, CUT, AT_GATE = "context lost", "not recovered", "span cut", "mislabelled at the gate"
LESS_CONTEXT, RIGHT_AT_GATE = "less context", "right at the gate"
AGAINST_GOLD, AGAINST_DENSE, CAUSED, FIXED = "against gold", "against dense", "caused", "fixed"
WAYS = {CAUSED: (AT_GATE, CONTEXT, CUT, NOT_RECOVERED), FIXED: (RIGHT_AT_GATE, LESS_CONTEXT)}
NO_PARTNER = "none"

FATES = ("right_at_gate", "wrong_at_gate", "recovered_right", "recovered_wrong")  # of exiting words, in ``exits.csv``

TRAINING = "training split"  # the dimension of groups of mentions that need the corpus' training split

DIGITS, MORE_DIGITS = "%.7g", "%.10g"  # number formats in files: of measurements, and of shares and counts

# Measures of ``cost.csv``, defined in `eval.analysis.tables`.
TOKEN_LAYERS, HELD_MEMORY = "token_layers", "held_mib"
RESIDENT = "resident, process with it alone"  # the group of held memory


class VariantResult(TypedDict):
    """``results.csv``: a variant at a batch size. Costs of baselines and other models are unknown."""

    corpus: str
    split: str
    documents: int
    timed_documents: int
    variant: str
    kind: str  # dense, truncate, random, cascade, a controller's kind, baseline or model
    replays: str  # for random, the strategy whose numbers of words it replays
    prunes: bool  # whether it chooses words, or windows
    point: str  # operating point
    batch_size: int  # texts per call
    f1: float  # for random, the mean over seeds
    precision: float
    recall: float
    f1_seqeval: float  # strict IOB2 on words
    latency_ms_median: float  # of a call, end-to-end
    latency_ms_p95: float
    speedup_vs_dense: float  # against dense in float32
    theoretical_speedup: float | None  # dense ÷ own MACs
    token_layers_kept: float | None  # None for cascades, whose models have layers of different sizes
    read_by_large: float | None  # share of the words that the large model of a cascade read
    gmacs_per_document: float | None  # 10⁹ MACs
    device: str
    dtype: str
    threads: int  # of torch; the settings of a baseline state its own
    seed: int  # of all draws, see `eval.statistics`
    torch: str
    transformers: str
    commit: str


class Interval(TypedDict):
    """``intervals.csv``: the F1 and times of one variant compared with another's at a batch size."""

    variant: str
    batch_size: int
    f1: float
    f1_low: float
    f1_high: float
    against: str  # another variant
    difference: float  # of F1
    low: float
    high: float
    significant: bool
    speedup: float
    speedup_low: float  # NaN with too few batches
    speedup_high: float
    speedup_significant: bool


class BatchTime(TypedDict):
    """``times.csv``: milliseconds of a batch of timed documents, the medians over passes."""

    variant: str
    batch_size: int
    batch: int
    latency_ms: float


class DocumentCounts(TypedDict):
    """``documents.csv``: a document; further columns, ``VARIANT BATCH_SIZE RUN``, have its matches and predictions."""

    document: str  # its id
    gold: int  # number of its gold mentions


class CostMeasure(TypedDict):
    """``cost.csv``: one measure of a variant, for a layer or a process; `eval.analysis.tables` defines it."""

    variant: str
    batch_size: int
    measure: str
    group: str
    value: float


class ErrorCount(TypedDict):
    """``errors.csv``: numbers of mentions by outcome, and of errors that pruning caused and fixed."""

    variant: str
    part: str
    outcome: str
    how: str  # of caused and fixed errors, else empty
    count: int


class Confusion(TypedDict):
    """``confusion.csv``: numbers of mentions by gold and predicted type."""

    variant: str
    gold: str
    predicted: str
    count: int


class Exit(TypedDict):
    """``exits.csv``: words with a gold label that exit after a layer, by their ``FATES``."""

    variant: str
    layer: int
    gold: str
    words: int
    exited: int
    share_exited: float
    right_at_gate: int
    wrong_at_gate: int
    recovered_right: int
    recovered_wrong: int
    dense_right: int  # among the wrong ones


class Group(TypedDict):
    """``subgroups.csv``: F1 of a group of mentions, and its difference from dense's in the same group, one by one."""

    variant: str
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


class AblationRow(TypedDict):
    """``ablations.csv``: one value of one setting, compared with dense and with the setting's default."""

    strategy: str
    setting: str
    value: str
    is_default: bool
    f1: float
    f1_low: float
    f1_high: float
    difference: float  # from dense
    low: float
    high: float
    significant: bool
    default_difference: float  # from the default
    default_low: float
    default_high: float
    default_significant: bool
    token_layers_kept: float
    computation: float  # own ÷ dense MACs
    recovered_words: int
    changed_predictions: int  # against the default
    effect: bool  # on predictions, cost or where words exit


FILES: dict[str, type] = {  # of a report, by name without suffix
    "results": VariantResult,
    "intervals": Interval,
    "documents": DocumentCounts,
    "times": BatchTime,
    "cost": CostMeasure,
    "errors": ErrorCount,
    "confusion": Confusion,
    "exits": Exit,
    "subgroups": Group,
}
