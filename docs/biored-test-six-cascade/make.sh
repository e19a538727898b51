#!/usr/bin/env bash
# Makes a cascade of `six` and its teacher, and this report of it. It ran twice, at first with the full pass of `six` as
# the small model alone; nothing was chosen by either. In the root of a checkout, nothing else running:
#
#   RUNS=FOLDER bash docs/biored-test-six-cascade/make.sh
#
# RUNS is what weights/minilm-l6-six/make.sh leaves: teacher, held_back.jsonl and dev.jsonl, texts that teach neither
# model.
set -euo pipefail

python -m engine.training.cascade "$RUNS/teacher" --small six --texts "$RUNS/held_back.jsonl" "$RUNS/dev.jsonl" \
  --corpus biored:dev --out "$RUNS/cascade"
python -m eval.report --model "$RUNS/cascade" --corpus biored --split test --threads 2 --dtype int8 --batch-size 1 \
  --timed 40 --strategies dense,small,cascade:careful,cascade,cascade:fast \
  --baselines hf-pipeline,openvino-int8 --out docs/biored-test-six-cascade
python - << 'PY' # without the 22 documents that had a part in the encoder with which `six` begins
import pandas as pd

from engine.corpora import load_corpus
from engine.text.scoring import Counts
from eval.statistics import compare_f1

parts = [("bc5cdr", "train"), ("bc5cdr", "dev"), ("ncbi-disease", "train")]
seen = {document.id for part in parts for document in load_corpus(*part).documents}
table = pd.read_csv("docs/biored-test-six-cascade/documents.csv", dtype={"document": str})
table = table[~table["document"].isin(seen)]
print(len(table), "documents")


def counts(variant):  # "correct/predicted" of each document
    pairs = table[variant].str.split("/", expand=True).astype(int)
    return [Counts(*numbers) for numbers in pairs.assign(gold=table["gold"]).itertuples(index=False)]


for variant in table.columns[5:]:
    found = compare_f1([counts(variant)], [counts("dense (float32) 0")])
    print(variant.removesuffix(" 0"), *(f"{name} {found[name]:.4f}" for name in ("f1", "difference", "low", "high")))
PY
