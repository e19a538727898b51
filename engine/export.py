"""Exports a strategy as one graph that runs elsewhere: ``python -m engine.export --strategy NAME --out FOLDER``.

The folder is a Python package of its own, with the graph and all weights; it needs onnxruntime, tokenizers and numpy.
"""

import inspect
import json
import re
import sys
from keyword import iskeyword
from pathlib import Path

from engine import errors
from engine.base import Engine
from engine.cli.command import as_command, new_parser
from engine.cli.runs import check_new
from engine.errors import InputError
from engine.graph import standalone
from engine.graph.backend import GraphBackend
from engine.graph.compose import PassPlan, compose
from engine.loading import load_engine
from engine.models.shipped import MODEL_HELP
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE
from engine.text import abbreviations, decoding, documents, labels, windows, words

# What an exported package consists of.
MODULES = (errors, documents, words, labels, abbreviations, decoding, windows, standalone)
README = """# {model}, {strategy}

The tagger of a model as one ONNX graph, exported by bioner-token-pruning.

    pip install onnxruntime tokenizers numpy

    from {package} import Tagger

    for entity in Tagger().tag("Famotidine caused delirium."):
        print(entity.start, entity.end, entity.type, entity.text)

Texts may have any length, and any number of threads may call one tagger. `settings.json` says which model and settings
the graph has.
"""


def export(engine: Engine, strategy: Strategy, folder: Path) -> None:
    """Writes a strategy of an engine as a package.

    Raises:
        InputError: if the engine computes in PyTorch, the strategy is not one pass, or the folder is not new.
    """
    if strategy.recovery is not None or strategy.kind == CASCADE:
        raise InputError(f"{strategy.title!r} runs several passes; export one that runs one, e.g. dense.")
    backend, family = engine.backend, engine.folder.family
    if not isinstance(backend, GraphBackend):
        raise InputError(f"An engine on {engine.device} cannot be exported; leave --device out.")
    if not folder.name.isidentifier() or iskeyword(folder.name):
        raise InputError(f"--out {folder.name!r} is no name of a Python package; use letters, digits and _.")
    check_new(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plan = PassPlan.of(strategy, family.num_layers)
    _, products, heads, label_set = backend.parts
    most = {"max_rows": str(family.max_rows)}  # the upper limit; settings.json may lower it
    graph = compose(plan, family, products, heads, label_set)
    (folder / "model.onnx").write_bytes(graph.model(embedded=True, metadata=most))
    (folder / "tokenizer.json").write_text(engine.pieces.backend, encoding="utf-8")
    about = {"model": Path(engine.source).name, "strategy": strategy.title, "package": folder.name}
    decoder = engine.decoder
    scores = decoder.transitions
    settings = {
        "model": engine.source,
        "weights": engine.digest,
        "dtype": engine.dtype,
        "strategy": strategy.to_json(),
        "labels": list(engine.labels.names),
        "transitions": None if scores is None else scores.round(4).tolist(),
        "constraints": decoder.constraints,
        "abbreviations": decoder.abbreviations,
        "tokens": [engine.pieces.cls_id, engine.pieces.sep_id, engine.pieces.unk_id],
        "max_rows": family.max_rows,
        "first_position": family.first_position,
        "numbers": plan.numbers(),
    }
    copy_package(folder)
    (folder / "settings.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(README.format(**about), encoding="utf-8")


def copy_package(folder: Path) -> None:
    """Copies the modules of a package, which then import each other."""
    for module in MODULES:
        source = re.sub(r"(?m)^from engine\.(\w+\.)?", "from .", inspect.getsource(module))
        (folder / f"{module.__name__.rpartition('.')[2]}.py").write_text(source, encoding="utf-8")
    (folder / "__init__.py").write_text('"""Finds entities."""\n\nfrom .standalone import Tagger\n', encoding="utf-8")


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = new_parser("engine.export", __doc__)
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument("--strategy", help="default: that of the model; of a cascade, name one of its large model")
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean, one a line")
    parser.add_argument("--dtype", default="int8", choices=("int8", "float32"), help="default int8")
    parser.add_argument("--out", type=Path, required=True, help="new folder, which is the package")
    arguments = parser.parse_args(argv)
    check_new(arguments.out)
    engine = load_engine(arguments.model, arguments.dtype, labels=arguments.labels)
    export(engine, engine.strategy(arguments.strategy), arguments.out)
    print(f"the package {arguments.out} tags texts; its README.md says how")
    return 0


if __name__ == "__main__":
    sys.exit(main())
