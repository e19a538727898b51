#!/usr/bin/env bash
# Makes a fine-tuned checkpoint of BERT-base size fast, without gold, and measures it: all that stands in this folder.
# Started again, it goes on where it was stopped. In the root of a checkout, on a machine of two cores with nothing else
# running:
#
#   mkdir -p runs && ln -s FOLDER runs/texts
#   bash docs/bc5cdr-test-base/make.sh
#
# FOLDER holds the unlabelled texts (weights/minilm-l6-bc5cdr/README.md says which, with checksums). RUNS gets the
# models; like TEXTS it is a relative path, since card and report repeat the commands. Without a connection to the hub,
# BACKBONE names a local folder of the pretrained encoder. It needs the extra baselines.
# Commands ran one by one: `teacher`, which was then copied to `ckpt`, with the code of commit 6dbbe74, `plain3` with that
# of 39ac2f8. docs/findings.md says what other runs gave.
set -euo pipefail

here=$(dirname "$0")
backbone=${BACKBONE:-sentence-transformers/all-mpnet-base-v2}
texts=${TEXTS:-runs/texts}
runs=${RUNS:-runs/base}
mkdir -p "$runs"

stage() { python -m "engine.training.$1" "${@:2}" --resume 2>&1 | tee -a "$here/make.log"; }

# 55 minutes: a plain Hugging Face checkpoint.
stage teacher --backbone "$backbone" --corpus bc5cdr:fit --epochs 3 --mixed-precision no --out "$runs/teacher"

# 76 minutes, of which training had 38: it learns from its own output alone. The second start goes on with the sweep for
# other limits, which follow F1 on `calib` and were set before test was looked at.
gunzip -c "$texts/held_back.jsonl.gz" | sed -n 1,500p > "$runs/held_out.jsonl" # the abstracts; full texts follow
for limits in 3,5,8 2.1,3,3.5; do
  stage accelerate "$runs/teacher" --texts "$texts/clinical_abstracts.jsonl.gz" "$texts/abstracts.jsonl.gz" \
    --held-out "$runs/held_out.jsonl" --minutes 80 --max-f1-drop $limits --dtype int8 --mixed-precision no \
    --corpus bc5cdr --split calib --out "$runs/plain3"
done
cp "$runs/plain3/README.md" "$here/card.md"

# 70 minutes.
python -m eval.report --model "$runs/plain3" --corpus bc5cdr --split test --timed 160 --threads 2 --dtype float32,int8 \
  --strategies dense,entropy:careful,entropy,entropy:fast \
  --baselines openvino-int8,openvino-int8=truncate-8 --out "$here"

# `hf upload USER/NAME runs/base/plain3 . --exclude "training/*"` publishes the model.
(cd "$runs" && sha256sum teacher/model.safetensors plain3/{model,gates,int8}.safetensors) > "$here/SHA256SUMS"
