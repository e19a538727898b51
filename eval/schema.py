"""Fixed terms in the files of a report, and which of their columns hold text. Imports no project code.

`eval.analysis.tables` says what each column is. F1, its differences, intervals and shares are 0–1. Intervals (``low``,
``high``) are 95 %, NaN if there are too few documents or batches; ``significant`` means that the interval excludes
equality. ``loss_bound`` is the loss that is exceeded with a probability of 5 % at most. ``variant`` is the name of what
was measured, unique in a run: a strategy with its operating point, a control, a baseline or another model, followed by
its dtype, such as ``dense (int8)``, if the run has it in several.
"""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]  # of a table

DENSE, TRUNCATE, RANDOM, CASCADE = "dense", "truncate", "random", "cascade"
SENTENCE, ARGMAX = "sentence", "argmax"
CONTROLS = (RANDOM, SENTENCE)  # they take a strategy's settings, and choose words in another way
BASELINE, MODEL = "baseline", "model"  # kinds of variants that are not strategies
RANDOM_SEEDS = 5
DEFAULT_STRATEGY = "default strategy"  # the fact about a run that names what its model runs if nothing is named
BUSY = "other processes"  # the fact that others used the processors, so that times are doubtful
PIPELINE = "hf-pipeline"  # the baseline that people use today: the reference of speed in a report's summary
SPACY = "spacy"  # a baseline with weights of its own

# Terms of ``errors.csv``, defined in `eval.analysis.errors`.
EXACT, BOUNDARY, TYPE, MISSED, SPURIOUS = "exact", "wrong boundary", "wrong type", "missed", "spurious"
OUTCOMES = (EXACT, BOUNDARY, TYPE, MISSED, SPURIOUS)
CONTEXT, NOT_RECOVERED, CUT, AT_GATE = "context lost", "not recovered", "span cut", "mislabelled at the gate"
LESS_CONTEXT, RIGHT_AT_GATE = "less context", "right at the gate"
AGAINST_GOLD, AGAINST_DENSE, CAUSED, FIXED = "against gold", "against dense", "caused", "fixed"
REASONS = {CAUSED: (AT_GATE, CONTEXT, CUT, NOT_RECOVERED), FIXED: (RIGHT_AT_GATE, LESS_CONTEXT)}
NO_PARTNER = "none"

EXIT_COLUMNS = ("right_at_gate", "wrong_at_gate", "recovered_right", "recovered_wrong")  # in ``exits.csv``
TRAINING = "training split"  # the dimension of groups of mentions that need the corpus' training split
TOKEN_LAYERS, HELD_MEMORY = "token_layers", "held_mib"  # measures of ``cost.csv``
RESIDENT = "resident, process with it alone"  # the group of held memory

LAST = "results.json"  # the file of a report that is written when all tables are there
TEXTS = {  # columns of text of each file; all others hold numbers, or True and False
    "results": ("corpus", "split", "variant", "kind", "point", "control", "runtime", "device", "dtype", "commit"),
    "intervals": ("variant", "against"),
    "documents": ("document",),
    "times": ("variant",),
    "cost": ("variant", "measure", "group"),
    "errors": ("variant", "part", "outcome", "how"),
    "confusion": ("variant", "gold", "predicted"),
    "exits": ("variant", "gold"),
    "subgroups": ("variant", "against", "dimension", "group"),
}
