"""The entities of the strategy shown as a table, to read, to copy and to download."""

from demo.common.differences import Compared
from demo.common.markup import note, number_of, printable, table

HEADS = ("text", "type", "start", "end", "score")
BUTTONS = """<button type="button" data-copies=".race .entities table" data-file="entities.csv">Download CSV</button>
<button type="button" data-copies=".race .entities table">Copy table</button>"""


def entities(outcome: Compared) -> str:
    """A row for each entity."""
    found = outcome.result.entities
    rows = ((printable(one.text), one.type, one.start, one.end, f"{one.score:.4f}") for one in found)
    return note(f"{number_of(len(found), 'entity', 'entities')}, {outcome.label}") + table(
        "Entities", "entities", HEADS, rows
    )
