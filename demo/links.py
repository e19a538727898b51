"""Links that reopen the page: columns, settings and an example, never a text. The lesson's steps are links, too."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from demo.settings import MAX_COLUMNS, TRIGGERS, Selection, Values, offered, page_settings, points, select_strategy
from engine import Engine
from engine.models.shipped import DEFAULT, SHIPPED, short_name
from engine.pruning.strategy import default_point
from engine.pruning.strategy_names import DENSE

_EXAMPLES = Path(__file__).with_name("examples.txt").read_text(encoding="utf-8")  # paragraphs: a title, a text
EXAMPLES: dict[str, str] = dict(paragraph.split("\n") for paragraph in _EXAMPLES.strip().split("\n\n"))
FINDS = dict(zip(SHIPPED, ("chemicals and diseases", "genes, variants and more"), strict=True))
EARLY = "Too early"  # an example in which a name is missed, as a test checks
_HURRY = {"example": EARLY, "point": "fast"}
LESSON: tuple[tuple[str, dict[str, str]], ...] = (
    ("All layers: every word runs through the whole network.", {"strategies": DENSE}),
    (
        "Early exit: a word leaves once its label is certain. On average, names stay longer.",
        {"strategies": "dense,entropy"},
    ),
    ("Too early: in a hurry, a name is missed.", _HURRY | {"strategies": "dense,entropy", "entropy.max_entropy": "10"}),
    (
        "Recovery: what looks doubtful comes back, here after a learned policy in a hurry.",
        {"strategies": "dense,mlp,mlp+recovery", "trigger": "any", "mlp.max_risk": "10"} | _HURRY,
    ),
    (
        "Attention: words leave that few others look at. It saves less time than certainty.",
        {"strategies": "dense,entropy,attention"},
    ),
)


@dataclass(frozen=True)
class PageState:
    """What is chosen on a page.

    ``columns``: strategies side by side. ``shown``: the one for files and code. ``trigger``: empty for the operating
    point's. ``values``: of `page_settings` that differ from those of the point, by name.
    """

    text: str
    columns: tuple[str, ...]
    point: str
    trigger: str
    shown: str
    values: Values

    def selection(self, engine: Engine, name: str) -> Selection:
        """A strategy with the settings of the page."""
        return select_strategy(engine, name, self.point or None, self.trigger or None, self.values)


def finds(engine: Engine) -> str:
    """What an engine finds, in words."""
    types = engine.labels.types
    return FINDS.get(short_name(engine.source)) or (", ".join(types) if len(types) < 5 else f"{len(types)} types")


def examples(engine: Engine) -> dict[str, str]:
    """The examples that a page offers, title → text: the failure only with the weights that err in it."""
    return EXAMPLES if short_name(engine.source) == DEFAULT else {k: v for k, v in EXAMPLES.items() if k != EARLY}


def opening(engine: Engine) -> PageState:
    """A page as it opens: the first example under all layers and the default strategy."""
    stored = points(engine)
    point = default_point(stored) if stored else ""
    columns = tuple(dict.fromkeys([DENSE, engine.default_strategy]))
    text = EXAMPLES["Genes and variants"] if "Gene" in engine.labels.types else next(iter(EXAMPLES.values()))
    return PageState(text, columns, point, "", engine.default_strategy, {})


def make_link(engine: Engine, page: PageState) -> str:
    """A link's query with its ``?``; it names the example if the text is one, and never contains a text."""
    example = next((name for name, text in EXAMPLES.items() if text == page.text), None)
    query = {"example": example, "strategies": ",".join(page.columns), "shown": page.shown}
    query |= {"point": page.point, "trigger": page.trigger}
    query |= {name: f"{value:g}" for name, value in page.values.items()}
    return "?" + urlencode({name: value for name, value in query.items() if value})


def read_link(engine: Engine, query: Mapping[str, str]) -> PageState:
    """The page that a link describes; what is missing or invalid keeps its default."""
    first = opening(engine)
    asked = dict.fromkeys(query.get("strategies", "").split(","))
    columns = tuple(name for name in offered(engine) if name in asked)[:MAX_COLUMNS] or first.columns
    shown = query["shown"] if query.get("shown") in engine.runnable else first.shown
    point = query["point"] if query.get("point") in points(engine) else first.point
    values = {}
    for setting, default in page_settings(engine, point or None).items():
        with suppress(KeyError, ValueError):
            value, (low, high, _) = float(query[setting.name]), setting.range
            if value != default and low <= value <= high:
                values[setting.name] = value
    return PageState(
        text=EXAMPLES.get(query.get("example", ""), first.text),
        columns=(*columns[: MAX_COLUMNS - 1], shown) if shown in asked and shown not in columns else columns,
        point=point,
        trigger=query["trigger"] if query.get("trigger") in TRIGGERS else "",
        shown=shown,
        values=values,
    )


def lesson(engine: Engine) -> Sequence[tuple[str, dict[str, str]]]:
    """The steps of the lesson; none for a model that lacks what they show."""
    needed = {name for _, query in LESSON for name in query["strategies"].split(",")}
    return LESSON if needed <= set(engine.runnable) and short_name(engine.source) == DEFAULT else ()
