"""Exports a strategy as one graph that runs elsewhere: ``python -m engine.export MODEL --strategy NAME --out FOLDER``.

The folder is a Python package of its own, with the graph and all weights; it needs openvino, tokenizers and numpy.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import shutil
import sys
from pathlib import Path
from types import ModuleType

from engine import errors
from engine.cascade import Cascade
from engine.cli.command import as_command
from engine.cli.runs import check_new
from engine.compiled import standalone
from engine.compiled.passes import plan_of
from engine.errors import InputError
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE
from engine.runtime import openvino
from engine.tagger import DEFAULT_STRATEGY, Engine, load_engine
from engine.text import documents, labels, slots, windows, words

# What the exported package consists of, by the name of its file there.
MODULES: dict[str, ModuleType] = {
    "errors": errors,
    "documents": documents,
    "labels": labels,
    "slots": slots,
    "windows": windows,
    "words": words,
    "tagger": standalone,
}
PER_WINDOW = ("least", "floor")  # numbers that depend on how many words a window has
README = """# {model}, {strategy}

The tagger of a model as one graph of OpenVINO in 8 bits, exported by bioner-token-pruning.

    pip install openvino tokenizers numpy

    from {package} import Tagger

    for entity in Tagger().tag("Famotidine caused delirium."):
        print(entity.start, entity.end, entity.type, entity.text)

Texts may have any length. `settings.json` says which model and settings the graph has.
"""


def export(engine: Engine, strategy: Strategy, folder: Path) -> None:
    """Writes a strategy of an engine in ``int8`` as a package.

    Raises:
        InputError: if the engine computes in PyTorch, the strategy recovers words or cannot be compiled, the tokenizer
            needs transformers, or the folder has other files in it.
    """
    if strategy.recovery is not None or isinstance(strategy, Cascade):
        raise InputError(f"expected a strategy that is one pass, got {strategy.name!r}; choose another, e.g. dense")
    compiled = engine.compiled
    if compiled is None:
        raise InputError(f"expected a model in int8 to export, got {engine.dtype}: {engine.why or 'chosen by name'}")
    if compiled.pieces() is None:
        raise InputError(
            f"expected a tokenizer.json in {engine.folder} that says all, got none; save the tokenizer anew"
        )
    if not folder.name.isidentifier():
        raise InputError(f"expected --out to name a Python package, got {folder.name!r}; use letters, digits and _")
    check_new(folder)
    folder.mkdir(parents=True, exist_ok=True)
    controller, words = strategy.controller, 1
    plan = plan_of(strategy, engine.sizes.layers)
    numbers = {
        f"{gate}.{name}": value
        for index, gate in enumerate(plan.gates)
        for name, value in (controller.numbers(index, words) if controller else {}).items()
        if name not in PER_WINDOW
    }
    openvino().serialize(compiled.compose(plan), str(folder / "graph.xml"), str(folder / "graph.bin"))
    shutil.copyfile(engine.folder / "tokenizer.json", folder / "tokenizer.json")
    settings = {
        "model": engine.source,
        "weights": engine.digest,
        "strategy": strategy.to_json(),
        "labels": list(engine.labels.names),
        "tokens": list(compiled.facts.tokens),
        "max_rows": compiled.facts.max_rows,
        "first_position": compiled.facts.first_position,
        "numbers": numbers,
        "min_exit_ratio": strategy.min_exit_ratio,
        "min_keep_ratio": getattr(controller, "min_keep_ratio", 0.0),
    }
    (folder / "settings.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, module in MODULES.items():
        (folder / f"{name}.py").write_text(_moved(inspect.getsource(module)), encoding="utf-8")
    (folder / "__init__.py").write_text(
        '"""Finds entities in texts."""\n\nfrom .tagger import Tagger\n', encoding="utf-8"
    )
    text = README.format(model=Path(engine.source).name, strategy=strategy.name, package=folder.name)
    (folder / "README.md").write_text(text, encoding="utf-8")


def default_strategy(engine: Engine) -> str:
    """What is exported if nothing is named; from the folder of a cascade, a strategy of its large model."""
    return DEFAULT_STRATEGY if engine.has_gates else DENSE


def _moved(source: str) -> str:
    """The source of a module with imports of the package that it is copied to."""
    return source.replace("from engine.text.", "from .").replace("from engine.", "from .")


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.export", description=__doc__)
    parser.add_argument("model", nargs="?", help="folder or hub id; default: the shipped weights")
    parser.add_argument("--strategy", help=f"default {DEFAULT_STRATEGY}; for a model without gates {DENSE}")
    parser.add_argument("--out", type=Path, required=True, help="new folder, which is the package")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    engine = load_engine(arguments.model, "int8")
    export(engine, engine.strategy(arguments.strategy or default_strategy(engine)), arguments.out)
    print(f"the package {arguments.out} tags texts; its README.md says how")
    return 0


if __name__ == "__main__":
    sys.exit(main())
