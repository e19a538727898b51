"""The settings that ``eval.ablations`` varies, what each value changes, and the page and figure about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from engine.base import Engine
from engine.cli.command import say
from engine.corpora import Corpus
from engine.loading import load_engine
from engine.pruning.recovery import ANY, TRIGGERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from eval.measure.run import predict
from eval.measure.setup import check_types
from eval.measure.taggers import RandomWords, strategy_tagger
from eval.record import Measured
from eval.render import plots
from eval.render.folder import rows_of
from eval.render.pages import Table, page, write_page
from eval.render.text import f1_interval, pp, share
from eval.schema import DENSE, TRUNCATE
from eval.statistics import compare_f1

BATCH = 250  # documents per call: there are more strategies than graphs that a model keeps, and each call makes its own
LAMBDAS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)  # steps are wider below −1, where few words want to exit
WEIGHTS = (0.0, 1.0)
WITH_POINTS = ("rule", "attention", "attention+recovery", "entropy", "entropy+recovery", "mlp", "mlp-attention")

# Strategy, setting, and the values that it takes while all other settings are as stored, or as given. Operating points
# and triggers of recovery know their own values, and gates take each layer alone.
ABLATIONS: tuple[tuple[str, str, Sequence[Any], Mapping[str, Any]], ...] = (
    *((strategy, "point", (), {}) for strategy in WITH_POINTS),
    ("rule", "lambda_", LAMBDAS, {}),
    ("rule", "min_keep_ratio", (0.0, 0.1, 0.25, 0.5, 0.75, 1.0), {"lambda_": 2.0}),
    ("attention", "lambda_", LAMBDAS, {}),
    *(("attention", weight, WEIGHTS, {}) for weight in ("focus", "received", "uncertainty")),
    ("entropy", "gates", (), {}),
    ("entropy", "neighbours", (0, 1, 2, 4), {}),
    *((strategy, "trigger", (), {}) for strategy in ("entropy+recovery", "attention+recovery")),
    ("entropy+recovery", "recovery_limit", (1, 8, 64, 512), {"trigger": ANY}),
)


@dataclass(frozen=True)
class Series:
    """A setting of a strategy under a model: the whole strategy for each value, by the value as shown."""

    strategy: str
    setting: str
    values: Mapping[str, Strategy]
    default: str  # the value with which all others are compared


def series_of(engine: Engine) -> Iterator[Series]:
    """Yields the settings that the model and its strategies have."""
    layers = range(1, engine.sizes.layers)
    cuts = {f"{layer}": engine.strategy(f"{TRUNCATE}-{layer}") for layer in layers}
    yield Series(TRUNCATE, "layer", cuts, f"{engine.sizes.layers // 2}")
    for name, setting, values, others in ABLATIONS:
        if name not in engine.runnable:
            continue
        base = engine.strategy(name, **others)
        if setting == "point":
            known = engine.points.get(base.kind, {}).keys() | engine.points.get(name, {}).keys()
            points = {point: engine.strategy(f"{name}:{point}") for point in OPERATING_POINTS if point in known}
            if base.point in points:
                yield Series(name, setting, points, base.point)
        elif setting == "trigger":
            triggers = {value: base.with_settings(trigger=value) for value in (*TRIGGERS, ANY)}
            assert base.recovery is not None, "only recovery has triggers"
            control = replace(base, recovery=RandomWords(**vars(base.recovery) | {"trigger": ANY}))
            off = replace(base, recovery=None, point="")
            yield Series(name, setting, {"off": off, **triggers, "random words": control}, "off")
        else:
            stored = base.settings()[setting]
            every = sorted({stored, *([(layer,) for layer in layers] if setting == "gates" else values)})
            varied = {_shown(value): base.with_settings(**{setting: value}) for value in every}
            yield Series(name, setting, varied, _shown(stored))


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


def measure(model: str | None, dtype: str, corpus: Corpus, out: Path) -> list[str]:
    """Measures every setting, and writes table, page and figure; prints and returns failed checks.

    Raises an `InputError` if the model has no gates or none of the corpus' types.
    """
    engine = load_engine(model, dtype)
    check_types(corpus.types, engine.labels.types)
    engine.strategy("entropy")  # refuses a model without gates
    series = list(series_of(engine))
    every = (strategy for varied in series for strategy in varied.values.values())
    strategies = list(dict.fromkeys([engine.strategy(DENSE), *every]))
    taggers = [strategy_tagger(engine, strategy, f"strategy {n}") for n, strategy in enumerate(strategies, 1)]
    measured = predict(taggers, corpus, BATCH).values()
    table = ablate(dict(zip(strategies, measured, strict=True)), series)
    table.to_csv(out / "ablations.csv", index=False)
    failed = render(table, out, f"Ablations: {corpus.title}, {engine.dtype}")
    for failure in failed:
        say(failure)
    say(f"{len(failed)} of {len(series)} checks failed. The page is {out / 'ablations.md'}.")
    return failed


def ablate(measured: Mapping[Strategy, Measured], series: Sequence[Series]) -> pd.DataFrame:
    """A row for dense, the first of the measured, and one for each value of each setting."""
    dense = next(iter(measured.values()))
    about: dict[str, object] = {"strategy": DENSE, "setting": "", "value": "", "is_default": True}
    rows = [about | _row(dense, dense, dense)]
    for varied in series:
        default = measured[varied.values[varied.default]]
        for value, strategy in varied.values.items():
            about = {"strategy": varied.strategy, "setting": varied.setting, "value": value}
            row = _row(measured[strategy], default, dense)
            rows.append(about | {"is_default": value == varied.default} | row)
    return pd.DataFrame(rows)


def _row(measured: Measured, default: Measured, dense: Measured) -> dict[str, object]:
    """The columns that are measured; computation is the share of the MACs of dense."""
    cost, against_default = measured.cost, compare_f1(measured.counts, default.counts)
    pairs, types = list(zip(measured.predictions, default.predictions, strict=True)), measured.corpus.types
    key_pairs = ([{entity.key for entity in side.entities if entity.type in types} for side in pair] for pair in pairs)
    changed = sum(len(keys ^ other) for keys, other in key_pairs)
    moved = any(prediction.paths != other.paths for prediction, other in pairs)
    assert cost is not None, "our strategies have costs"
    return {
        **compare_f1(measured.counts, dense.counts),
        **{f"default_{name}": against_default[name] for name in ("difference", "low", "high", "significant")},
        "token_layers_kept": cost.token_layers_kept,
        "computation": 1 / cost.theoretical_speedup,
        "recovered_words": sum(int(p.paths.recovered.sum()) for p in measured.predictions if p.paths),
        "changed_predictions": changed,
        "effect": bool(changed or moved or cost != default.cost),
    }


def failures(ablations: pd.DataFrame) -> list[str]:
    """Sentences on the settings that fail their checks.

    A larger λ must lower the share of token-layers, and at least one value of every setting must have an effect.
    """
    failed = []
    settings = ablations[ablations["strategy"] != DENSE].groupby(["strategy", "setting"], sort=False)
    for (strategy, setting), rows in settings:
        if setting == "lambda_":
            failed += [
                f"λ of {strategy} does not prune more at {after['value']} than at {before['value']}: it keeps "
                f"{after['token_layers_kept']:.5f} of the token-layers after {before['token_layers_kept']:.5f}"
                for before, after in pairwise(rows_of(rows))
                if after["token_layers_kept"] >= before["token_layers_kept"]
            ]
        others = rows[~rows["is_default"]]
        if len(others) and not others["effect"].any():
            failed.append(f"{setting} of {strategy} has no effect (values {', '.join(rows['value'])})")
    return failed


def render(table: pd.DataFrame, out: Path, title: str) -> list[str]:
    """Writes the page and the figure of a table to a folder; returns the checks that failed."""
    failed = failures(table)
    plots.save_png(plots.plot_f1_vs_computation(table), out / "ablations.png", 130, 64)
    heads = [
        "strategy", "setting", "value", "F1 [95 %]", "against dense, pp [95 %]", "against default, pp [95 %]",
        "computation", "token-layers kept", "recovered words", "predictions changed",
    ]  # fmt: skip
    cells = []
    for row in rows_of(table[table["strategy"] != DENSE]):
        value, difference, changed = f"{row['value']} (default)", "—", "—"
        if not row["is_default"]:
            value, difference = row["value"], pp(row, "default_")
            changed = row["changed_predictions"] if row["effect"] else "no effect"
        cost = share(row["computation"]), share(row["token_layers_kept"]), row["recovered_words"]
        cells.append(
            [row["strategy"], row["setting"].rstrip("_"), value, f1_interval(row), pp(row), difference, *cost, changed]
        )
    write_page(out / "ablations.md", page("ablations.md", title=title, failures=failed, table=Table(heads, cells)))
    return failed
