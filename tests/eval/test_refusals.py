"""Bad input ends every command with status 2 and a clear line, before anything is measured."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from eval import ablations, report
from eval.config import SAMPLE

DEFAULTS = {  # of each command, and before the options
    report: "--model {model} --limit 2 --dtype float32 --baselines none --strategies dense,entropy --out {out}",
    ablations: "--model {model} --corpus {sample} --limit 1 --out {out}",
}
OTHER = '{"id": "1", "text": "Nausea.", "entities": [{"start": 0, "end": 6, "type": "DISEASE"}]}\n'
CALIBRATED = pytest.mark.skipif(not (find_spec("openvino") and find_spec("nncf")), reason="needs OpenVINO")


@pytest.mark.parametrize(("command", "options", "message"), [
    (report, "--model /no/such", "/no/such"),
    (report, "--batch-size 1,0", "--batch-size must be a list, each a whole number, 1 or more, not (1, 0)"),
    (report, "--batch-size 4,4", "--batch-size names a value twice: 4,4"),
    (report, "--limit 0", "--limit must be a whole number, 1 or more, not 0"),
    (report, "--threads 99999", "--threads must be a whole number, 1 to "),
    (report, "--timed 3", "--timed 3 is more than the 2 documents of sample"),
    (report, "--dtype float32,float32", "--dtype names a value twice"),
    (report, "--dtype float64", "--dtype must be a list, each one of float32"),
    (report, "--strategies small", "cascade"),
    (report, "--strategies random", "no strategy 'random'"),
    (report, "--types Chemical,Chem", "Neither the gold nor the model has the types ['Chem']"),
    (report, "--set entropy.neighbours", "--set entropy.neighbours is not STRATEGY"),
    (report, "--set rule.lambda=1", "--set changes 'rule'"),
    (report, "--corpus {other}", "none of the corpus' types ['DISEASE']"),
    (report, "--others {model},{model}", "Two variants are named"),
    (report, "--elsewhere {other}", "has none of the types ['Chemical', 'Disease']"),
    (report, "--leave-out {sample}", "leaves no document of sample"),
    (report, "--render-only", "holds no finished report"),
    pytest.param(report, "--baselines openvino-int8", "needs a training split", marks=CALIBRATED),
    (ablations, "--corpus {text}", "none of the corpus' types []"),
    (ablations, "--model {plain}", "gates"),
])  # fmt: skip
def test_rejects_what_cannot_be_measured(model_folder, plain_folder, tmp_path, capsys, command, options, message):
    paths = {"model": model_folder, "plain": plain_folder, "sample": SAMPLE, "out": tmp_path / "out"}
    for name, text in (("text", "Nausea after aspirin.\n"), ("other", OTHER)):
        paths[name] = tmp_path / name
        paths[name].write_text(text)
    assert command.main(f"{DEFAULTS[command]} {options}".format(**paths).split()) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "results.csv").exists()


def test_wrong_names_are_refused_before_anything_heavy_is_imported():
    calls = "(ablations, '--corpus=x'), (report, '--corpus=x'), (report, '--strategies=x')"
    code = f"""
import sys
from eval import ablations, report
status = [command.main(["--out=x", wrong]) for command, wrong in ({calls})]
print(status, {{'torch', 'matplotlib', 'spacy'}} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[2, 2, 2] set()"
