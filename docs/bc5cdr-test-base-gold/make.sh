#!/usr/bin/env bash
# Trains a model of BERT-base size for pruning, with gold, and measures it: all that stands in this folder. Started
# again, it goes on where it was stopped. In the root of a checkout, on a machine of two cores with nothing else running:
#
#   mkdir -p runs && ln -s FOLDER runs/texts
#   bash docs/bc5cdr-test-base-gold/make.sh
#
# FOLDER holds the unlabelled texts (weights/minilm-l6-bc5cdr/README.md says which, with checksums). RUNS gets the
# models; like TEXTS it is a relative path, since card and report repeat the commands. Without a connection to the hub,
# BACKBONE names a local folder of the pretrained encoder. It needs requirements-eval.txt.
# `pruned` was trained with the code of commit 6dbbe74, `gold` and `again` with that of 220755f. Commands ran one by
# one, and `again` was not timed after its sweep, so it has no card; the report has its times.
set -euo pipefail

here=$(dirname "$0")
backbone=${BACKBONE:-sentence-transformers/all-mpnet-base-v2}
texts=${TEXTS:-runs/texts}
runs=${RUNS:-runs/base}
mkdir -p "$runs"

stage() { python -m "engine.training.$1" "${@:2}" 2>&1 | tee -a "$here/make.log"; }

# 75 minutes: a plain Hugging Face checkpoint, and its labels of 1,000 abstracts.
gunzip -c "$texts/clinical_abstracts.jsonl.gz" > "$runs/clinical.jsonl"
gunzip -c "$texts/held_back.jsonl.gz" | sed -n 1,500p > "$runs/held_out.jsonl" # the abstracts; full texts follow
head -n 400 "$runs/clinical.jsonl" > "$runs/some.jsonl"
stage teacher --backbone "$backbone" --corpus bc5cdr:fit --epochs 3 --mixed-precision no --out "$runs/teacher" --resume
[ -f "$runs/teacher/int8.safetensors" ] || stage quantise "$runs/teacher" --texts "$runs/clinical.jsonl"
stage soft_labels --teacher "$runs/teacher" --types Chemical,Disease --texts "$runs/clinical.jsonl" --dtype int8 \
  --out "$runs/clinical.npz"

# Five minutes: gate heads. Then 75: the encoder learns from gold and from these labels, while words exit.
stage accelerate "$runs/teacher" --frozen --minutes 5 --mixed-precision no --texts "$runs/some.jsonl" \
  --held-out "$runs/held_out.jsonl" --out "$runs/frozen" --resume
stage finetune --backbone "$runs/frozen" --corpus bc5cdr:fit --soft-labels "$runs/clinical.npz=$runs/clinical.jsonl" \
  --soft-share 0.75 --temperature 1 --dropout 0 --lr 3e-5 --epochs 3 --max-rows 1024 --pruned 0.7 --average 0.99 \
  --mixed-precision no --out "$runs/pruned" --resume

# The encoder is better than before, its gates are not: it goes on as a plain checkpoint. 95 minutes.
mkdir -p "$runs/plain"
cp "$runs"/pruned/{config,tokenizer,tokenizer_config}.json "$runs/pruned/model.safetensors" "$runs/plain"
[ -f "$runs/gold/SHA256SUMS" ] || stage accelerate "$runs/plain" --gold bc5cdr:fit \
  --texts "$texts/clinical_abstracts.jsonl.gz" "$texts/abstracts.jsonl.gz" --held-out "$runs/held_out.jsonl" \
  --minutes 95 --max-f1-drop 3,5,8 --dtype int8 --mixed-precision no --corpus bc5cdr --split calib \
  --out "$runs/gold" --resume

# Its early layers lag behind the dense pass: it goes on as a checkpoint with gates, on plain text alone. 75 minutes, of
# which training had 17. Limits were chosen by F1 on `calib`, before test was looked at.
mkdir -p "$runs/checkpoint"
cp "$runs"/gold/{config,tokenizer,tokenizer_config}.json "$runs"/gold/{model,gates}.safetensors "$runs/checkpoint"
for limits in 3,5,8 1.5,2.7,4.5 2.7,4.5,7; do
  stage accelerate "$runs/checkpoint" --texts "$texts/clinical_abstracts.jsonl.gz" "$texts/abstracts.jsonl.gz" \
    --held-out "$runs/held_out.jsonl" --minutes 75 --max-f1-drop $limits --dtype int8 --mixed-precision no \
    --corpus bc5cdr --split calib --out "$runs/again" --resume
done

# 70 minutes.
python -m eval.report --model "$runs/again" --corpus bc5cdr --split test --timed 160 --threads 2 --dtype float32,int8 \
  --strategies dense,entropy:careful,entropy,entropy:fast \
  --baselines openvino-int8,openvino-int8=truncate-8 \
  --others "small=weights/minilm-l6-bc5cdr@entropy" --out "$here"

# `hf upload USER/NAME runs/base/again . --exclude "training/*"` publishes the model.
(cd "$runs" && sha256sum {teacher,plain,gold,again}/model.safetensors again/{gates,int8}.safetensors) > "$here/SHA256SUMS"
