"""The head of the page: what it does and how much faster, in two lines; and, below the demo, one's own model."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from demo.common.markup import TERMS, escape, term
from demo.common.reports import REPORTS, Report, own_report
from engine import Engine
from engine.models.shipped import short_name
from engine.pruning.strategy_names import DENSE
from eval.render import default, headline
from eval.render.text import join

TITLE = "Find entities in biomedical text faster"
NAMED_TYPES = 6  # if there are more, their number is given
PLURALS = {
    "Chemical": "chemicals",
    "Disease": "diseases",
    "Gene": "genes",
    "Species": "species",
    "Variant": "variants",
    "CellLine": "cell lines",
}
GUIDE = "docs/training.md"
EXITS = "Words leave the network at its gates once their labels are certain; at the last gate all may leave."
CASCADE = "A small model reads every text, and the large one only what the small one doubts."


def claim(engine: Engine, report: Report | None) -> str:
    """What the model finds and, if a report measured it in this dtype, what its default gains and loses."""
    finds = f"Finds {escape(_types(engine))}"
    if engine.runnable == [DENSE]:
        return f"{finds}. This model has no gates: every word goes through all {engine.sizes.layers} layers."
    said = headline(report) if report else CASCADE if len(engine.stages) > 1 else EXITS
    faster = re.sub(r"(\S+ as fast)", r"<strong>\1</strong>", escape(said), count=1)
    return f"{finds}. {faster}"


def _types(engine: Engine, most: int = NAMED_TYPES) -> str:
    """The names of its types or, if there are more than ``most``, their number."""
    types = engine.labels.types
    return join(PLURALS.get(type_, type_) for type_ in types) if len(types) <= most else f"{len(types)} types"


def what_to_find(engine: Engine, engines: Mapping[str, Engine]) -> str:
    """Links to the pages of all engines, by address; empty if there is one alone."""
    if len(engines) < 2:
        return ""
    links = "".join(
        f'<a href="./{escape(address)}"{" aria-current=page" * (other is engine)}>{escape(_types(other, 2))}</a>'
        for address, other in engines.items()
    )
    return f'<nav class="find" aria-label="What to find"><span>What to find</span>{links}</nav>'


def how_measured(engine: Engine, report: Report | None) -> str:
    """What the claim is measured on, and beside which baselines; what is found, and in which dtype."""
    why = f" ({engine.why})" if engine.why else ""
    model = f"<p>It finds {escape(_types(engine))}, and nothing else. It computes in {escape(engine.dtype + why)}.</p>"
    row = default(report) if report else None
    if not row or not report:
        return model
    corpus = term(report.corpus) if report.corpus in TERMS else escape(report.corpus)
    return (
        f"<p><code>{escape(row['variant'])}</code> on {row['documents']} documents of {corpus}, "
        f"{report.sizes[0]} a call, {escape(report.about['machine'])}. {term('F1')} is {row['f1']:.4f}.</p>"
        f"{model}"
    )


def intro(
    engine: Engine, links: Mapping[str, str], engines: Mapping[str, Engine] | None = None, folder: Path = REPORTS
) -> str:
    """The HTML of the page's head, with figures if a report in the folder measured the engine's weights.

    ``links``: the address of each document to link, by title. ``engines``: those of all pages, by address.
    """
    report = own_report(engine, folder)
    row = default(report) if report else None
    measured = report if row and row["dtype"] == engine.dtype else None
    own = {"Report": f"docs/{report.name}/report.md"} if report else {}
    to = " · ".join(f'<a href="{escape(address)}">{title}</a>' for title, address in (own | dict(links)).items())
    return (
        f'<header class="intro"><h1>{TITLE}</h1>{what_to_find(engine, engines or {})}'
        f'<p class="claim">{claim(engine, measured)}</p>'
        f'<details class="measured"><summary>How was this measured?</summary>{how_measured(engine, measured)}'
        f'<p class="links">{to}</p></details></header>'
    )


def own_model(engine: Engine) -> str:
    """A card: how to make one's own checkpoint fast, and what that takes."""
    if engine.runnable != [DENSE]:
        named = ", ".join(engine.labels.types[:NAMED_TYPES])
        which, texts, duration = f"larger model that finds the same ({named})", 100, "under 20 minutes"
        parts = ["cascade", "CHECKPOINT", "--small", short_name(engine.stages[0].source)]
    else:  # its labels may be others than the shipped model's, which a cascade needs
        which, texts, duration = "checkpoint of your own", 400, "an hour"
        labels = [f"--labels={engine.folder.labels_file}"] if engine.folder.labels_file else []
        parts = ["accelerate", engine.source, *labels, "--dtype=int8"]
    command = f"python -m engine.training.{shlex.join([*parts, '--texts', 'FILE', '--out', 'FOLDER'])}"
    button = '<button type="button" class="copy" data-copies=".own-model code">Copy</button>'
    return (
        f'<section class="own-model" aria-label="Your own model"><h2>Your own model</h2><p>To make a {which} fast '
        f'takes {texts} plain texts and, at BERT-base size, <a href="{GUIDE}">{duration}</a>:</p>'
        f'<p class="command"><code>{escape(command)}</code> {button}</p></section>'
    )
