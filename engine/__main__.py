"""The command ``bioner``, which runs the others; ``python -m engine`` is the same."""

import sys
from importlib import import_module

from engine.cli.command import as_command
from engine.errors import InputError

COMMANDS = {  # name → its module, and what it is for
    "tag": ("engine.tag", "tag files, or standard input"),
    "bulk": ("engine.bulk.__main__", "tag many files, on one machine or several"),
    "export": ("engine.export", "write a package that tags without this project"),
    "app": ("demo.__main__", "serve the app: strategies side by side on your own text"),
    "report": ("eval.report", "measure F1 and speed of strategies on a corpus"),
    "ablations": ("eval.ablations", "measure what each setting alone changes"),
    "accelerate": ("engine.training.accelerate", "make a checkpoint fast: teach it to let words exit"),
    "cascade": ("engine.training.cascade", "make a checkpoint fast: put a small model before it"),
    "split": ("engine.training.split", "split annotated documents for training, early stopping and a test"),
    "finetune": ("engine.training.finetune", "train an encoder with a label head after every layer"),
    "decoder": ("engine.training.decoder", "count label transitions on annotated texts for decoding"),
    "controller": ("engine.training.controller", "train the networks of mlp and mlp-attention"),
    "calibrate": ("engine.training.calibrate", "choose operating points on held-out texts"),
}
HELP = """usage: bioner COMMAND …

Finds chemicals and diseases in biomedical text, with --model six also genes, species, variants and cell lines, fast on
a CPU. bioner COMMAND --help lists the options of a command:
"""


@as_command
def main(argv: list[str] | None) -> int:
    """Runs one of the commands with the arguments that follow its name."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(HELP, *(f"  {name:<12} {purpose}" for name, (_, purpose) in COMMANDS.items()), sep="\n")
        return 0
    if name not in COMMANDS:
        raise InputError(f"There is no command {name!r}, only {', '.join(COMMANDS)}. See bioner --help.")
    sys.argv = [f"bioner {name}", *arguments]
    return int(import_module(COMMANDS[name][0]).main(arguments))


if __name__ == "__main__":
    sys.exit(main())
