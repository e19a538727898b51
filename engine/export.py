"""Exports a strategy as one graph that runs elsewhere: ``python -m engine.export --strategy NAME --out FOLDER``.

The folder is a Python package of its own, with the graph and all weights; it needs onnxruntime, tokenizers and numpy.
With ``--web`` it is a static page, which tags in the browser and can be uploaded as it is.
"""

import inspect
import json
import logging
import re
import shutil
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import errors
from engine.base import Engine
from engine.cli.command import as_command, new_parser, say
from engine.cli.runs import check_new
from engine.errors import InputError, explained
from engine.graph import standalone
from engine.graph.backend import GraphBackend
from engine.graph.compose import PassPlan, compose
from engine.graph.products import Products
from engine.loading import load_engine
from engine.models.shipped import MODEL_HELP
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE
from engine.text import abbreviations, decoding, documents, labels, windows, words

MODULES = (
    errors,
    documents,
    words,
    labels,
    abbreviations,
    decoding,
    windows,
    standalone,
)  # of which an exported package consists
WEB = Path(standalone.__file__).parent / "web"  # the files of a static page
# Of the page's libraries, which npm fetches as package.json names them: the files that it needs.
LIBRARIES = (
    "onnxruntime-web/dist/ort.wasm.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "@huggingface/tokenizers/dist/tokenizers.min.mjs",
)
README = """# {model}, {strategy}

The tagger of a model as one ONNX graph, exported by bioner-token-pruning.

    pip install onnxruntime tokenizers numpy

    from {package} import Tagger

    for entity in Tagger().tag("Famotidine caused delirium."):
        print(entity.start, entity.end, entity.type, entity.text)

Texts may have any length, and any number of threads may call one tagger. `settings.json` says which model and settings
the graph has.
"""
WEB_README = """---
title: {model} in the browser
emoji: ✂️
colorFrom: green
colorTo: blue
sdk: static
short_description: Tags biomedical text on your own device
---

# {model}, {strategy}, in the browser

`index.html` tags texts in the browser, from any server of static files, such as `python -m http.server`. It contacts no
other host. `tagger.js` is the same without a page; `settings.json` says which model and settings the graph has.

Exported by bioner-token-pruning. `lib` holds files of onnxruntime-web (MIT) and @huggingface/tokenizers (Apache 2.0).
"""
GIT_ATTRIBUTES = "".join(f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in ("onnx", "wasm"))


def export(engine: Engine, strategy: Strategy, folder: Path, *, web: bool = False) -> None:
    """Writes a strategy of an engine as a package, or for the ``web`` as a page that tags in the browser.

    Raises:
        InputError: if the engine computes in PyTorch, the strategy is not one pass, the folder is not new, or npm
            cannot fetch the page's libraries.
    """
    if strategy.recovery is not None or strategy.kind == CASCADE:
        raise InputError(f"{strategy.title!r} runs several passes; export one that runs one, e.g. dense.")
    backend, family = engine.backend, engine.folder.family
    if not isinstance(backend, GraphBackend):
        raise InputError(f"An engine on {engine.device} cannot be exported; leave --device out.")
    if not web and (not folder.name.isidentifier() or iskeyword(folder.name)):
        raise InputError(f"--out {folder.name!r} is no name of a Python package; use letters, digits and _.")
    check_new(folder)
    if web:
        copy_page(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plan = PassPlan.of(strategy, family.num_layers)
    _, products, heads, label_set = backend.parts
    if web:
        products = Products(engine.folder.tensors(), quantised=products.quantised, portable=True)
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
    if web:
        large = [folder / "model.onnx", *folder.glob("lib/*.wasm")]
        settings |= {"model": about["model"], "bytes": sum(path.stat().st_size for path in large)}
    else:
        copy_package(folder)
    (folder / "settings.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text((WEB_README if web else README).format(**about), encoding="utf-8")


def copy_package(folder: Path) -> None:
    """Copies the modules of a package, which then import each other."""
    for module in MODULES:
        source = re.sub(r"(?m)^from engine\.(\w+\.)?", "from .", inspect.getsource(module))
        (folder / f"{module.__name__.rpartition('.')[2]}.py").write_text(source, encoding="utf-8")
    (folder / "__init__.py").write_text('"""Finds entities."""\n\nfrom .standalone import Tagger\n', encoding="utf-8")


def copy_page(folder: Path) -> None:
    """Copies the files of a page, and its libraries; raises an `InputError` if npm cannot fetch them."""
    with TemporaryDirectory() as work:
        shutil.copy(WEB / "package.json", work)
        with explained("npm could not fetch the page's libraries", "Install Node.js, or try again"):
            npm = ["npm", "install", "--ignore-scripts"]
            subprocess.run(npm, cwd=work, capture_output=True, check=True)
        shutil.copytree(WEB, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("package.json"))
        (folder / "lib").mkdir()
        for name in LIBRARIES:
            shutil.copy(Path(work, "node_modules", name), folder / "lib")
    (folder / ".gitattributes").write_text(GIT_ATTRIBUTES, encoding="utf-8")


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = new_parser("engine.export", __doc__)
    parser.add_argument("--model", help=MODEL_HELP)
    parser.add_argument("--strategy", help="default: that of the model; of a cascade, name one of its large model")
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean, one a line")
    parser.add_argument("--dtype", default="int8", choices=("int8", "float32"), help="default int8")
    parser.add_argument("--out", type=Path, required=True, help="new folder, which is the package or the page")
    parser.add_argument("--web", action="store_true", help="a static page that tags in the browser; needs npm")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    check_new(arguments.out)
    if arguments.web:
        say("Fetch the page's libraries with npm, and write the graph.")
    engine = load_engine(arguments.model, arguments.dtype, labels=arguments.labels)
    export(engine, engine.strategy(arguments.strategy), arguments.out, web=arguments.web)
    what = "page" if arguments.web else "package"
    print(f"the {what} {arguments.out} tags texts; its README.md says how")
    return 0


if __name__ == "__main__":
    sys.exit(main())
