#!/usr/bin/env bash
# Makes a cascade of `six` and its teacher, and this report of it, once. In the root of a checkout, nothing else running:
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
