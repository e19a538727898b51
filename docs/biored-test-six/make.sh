#!/usr/bin/env bash
# Makes this report, once for each published set of weights, and unseen.csv and unseen.yaml: F1 of the default on the
# documents that had no part in the encoder with which `six` begins. Of the 100 it learned from 19, and 3 are in BC5CDR's
# calib. In the root of a checkout:
#
#   bash docs/biored-test-six/make.sh
set -euo pipefail

python -m eval.report --model six --corpus biored --split test --threads 2 --dtype int8 --timed 60 \
  --strategies dense,argmax@dense,entropy:careful,entropy,entropy:fast,truncate-3,truncate-4,truncate-5 \
  --baselines hf-pipeline,onnx-int8,openvino-int8,openvino-int8=truncate-3,openvino-int8=truncate-4 \
  --elsewhere bc5cdr,ncbi-disease --out docs/biored-test-six
python - << 'PY'
from pathlib import Path

import pandas as pd

from engine import load_engine
from engine.text.scoring import Counts, count_documents
from eval.config import ReportConfig

leave_out = ("bc5cdr:train", "bc5cdr:dev", "ncbi-disease:train")
documents = ReportConfig(corpus="biored", leave_out=leave_out).load().documents
engine = load_engine("six", dtype="int8")
found = [result.entities for result in engine.tag_batch([document.text for document in documents])]
groups = {type_: [type_] for type_ in engine.labels.types} | {"all": engine.labels.types}
scores = {name: Counts.total(count_documents(documents, found, types)) for name, types in groups.items()}
rows = [(name, score.gold, score.precision, score.recall, score.f1) for name, score in scores.items()]
out = Path("docs/biored-test-six")
pd.DataFrame(rows, columns=["type", "gold", "precision", "recall", "f1"]).to_csv(
    out / "unseen.csv", index=False, float_format="%.10g"
)
metrics = "".join(
    f"    - name: {name} of exact entities, {engine.strategy().title}, int8\n      type: {name}\n"
    f"      value: {getattr(scores['all'], name):.4f}\n"
    for name in ("f1", "precision", "recall")
)
(out / "unseen.yaml").write_text(
    f"  - dataset:\n      name: BioRED, {len(documents)} documents of test that did not teach the encoder\n"
    f"      split: test\n      type: bigbio/biored\n    metrics:\n{metrics}    task:\n"
    "      name: Named entity recognition\n      type: token-classification\n"
)
PY
