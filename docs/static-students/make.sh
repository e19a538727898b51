#!/usr/bin/env bash
# Trains what adaptive exits must beat, the shipped weights cut after three and after four layers and trained further
# without exits, and measures everything in one run. Started again, it goes on where it was stopped. In the root of a
# checkout, about an hour and a half on two cores, nothing else running:
#
#   TEXTS=FOLDER RUNS=FOLDER bash docs/static-students/make.sh
#
# TEXTS holds the unlabelled texts (weights/minilm-l6-bc5cdr/README.md says which). A student begins where the shipped
# weights ended, so it has all their steps and two epochs more. It learns from the same texts and annotations; its
# teacher is the full pass of the shipped weights.
set -euo pipefail

shipped=weights/minilm-l6-bc5cdr
mkdir -p "$RUNS"

sentences() { # joined to texts as long as abstracts, one a line
  gunzip -c "$TEXTS/medline_sentences.txt.gz" | sed -n "$1" |
    awk '{ text = text sep $0; sep = " "; words += NF } words >= 200 { print text; text = sep = ""; words = 0 }
         END { if (text) print text }'
}
sentences 1,15000p > "$RUNS/learned.txt"
sentences 60011,66010p > "$RUNS/new.txt"
gunzip -c "$TEXTS/clinical_abstracts.jsonl.gz" > "$RUNS/clinical.jsonl"

for layers in 3 4; do
  python -m engine.training.finetune --plain --layers $layers --backbone $shipped --teacher $shipped \
    --texts "$RUNS/clinical.jsonl" "$RUNS/learned.txt" "$RUNS/new.txt" --temperature 1 --soft-share 2 \
    --corpus bc5cdr:fit ncbi-disease:train biored:fit --dropout 0 --epochs 2 --lr 1.5e-4 \
    --out "$RUNS/student$layers" --resume
done

python -m eval.report --corpus bc5cdr --split test --threads 2 --dtype int8 --timed 160 \
  --strategies dense,entropy:careful,entropy,entropy:fast,entropy+recovery,attention:careful,attention,attention:fast,attention+recovery,mlp,mlp-attention,rule,truncate-3,truncate-4,truncate-5 \
  --others student-3="$RUNS/student3",student-4="$RUNS/student4" \
  --baselines hf-pipeline,onnx-int8,openvino-int8,onnx-int8=truncate-4,openvino-int8=truncate-3,openvino-int8=truncate-4,openvino-int8@student-3,openvino-int8@student-4 \
  --out docs/bc5cdr-test
