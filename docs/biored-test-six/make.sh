#!/usr/bin/env bash
# Makes this report, once for each published set of weights, and prints F1 on the documents that had no part in the
# encoder with which `six` begins: of the 100 it learned from 19, and 3 are in BC5CDR's calib. In the root of a checkout:
#
#   TEACHER=FOLDER bash docs/biored-test-six/make.sh
#
# TEACHER is what weights/minilm-l6-six/make.sh leaves in $RUNS/teacher.
set -euo pipefail

python -m eval.report --model six --corpus biored --split test --threads 2 --dtype float32,int8 --batch-size 1 --timed 60 \
  --strategies dense,entropy:careful,entropy,entropy:fast,truncate-4,truncate-5 --others teacher="$TEACHER" \
  --baselines hf-pipeline,onnx-int8,openvino-int8,openvino-int8=truncate-4 --out docs/biored-test-six
python - << 'PY'
import pandas as pd

from engine.corpora import load_corpus

parts = [("bc5cdr", "train"), ("bc5cdr", "dev"), ("ncbi-disease", "train")]
seen = {document.id for part in parts for document in load_corpus(*part).documents}
table = pd.read_csv("docs/biored-test-six/documents.csv", dtype={"document": str})
table = table[~table["document"].isin(seen)]
print(len(table), "documents")
for variant in table.columns[5:]:  # "correct/predicted" of each document
    correct, predicted = table[variant].str.split("/", expand=True).astype(int).sum()
    print(f"{variant.removesuffix(' 0')}: {2 * correct / (predicted + table['gold'].sum()):.4f}")
PY
