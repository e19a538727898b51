#!/usr/bin/env bash
# Makes these weights; started again, it goes on where it was stopped. In the root of a checkout:
#
#   TEXTS=FOLDER RUNS=FOLDER bash weights/minilm-l6-bc5cdr/make.sh
#
# TEXTS holds the unlabelled texts (README.md says which, with checksums), RUNS gets what the stages write. Training
# continues from the weights of commit 06cdbb2 (or the folder STUDENT). Without a connection to the hub, TEACHER_BACKBONE
# names a local folder of the teacher's pretrained encoder.
# The encoder was trained by this script with the code of commit 06cdbb2.
set -euo pipefail

teacher=${TEACHER_BACKBONE:-sentence-transformers/all-mpnet-base-v2}
mkdir -p "$RUNS"
git archive 06cdbb2 weights/minilm-l6-bc5cdr | tar -x -C "$RUNS"
rm "$RUNS/weights/minilm-l6-bc5cdr/operating_points.json" # settings that no longer exist
student=${STUDENT:-$RUNS/weights/minilm-l6-bc5cdr}

stage() { python -m "engine.training.$1" "${@:2}"; }
learn() {
  stage finetune --corpus bc5cdr:fit,ncbi-disease:train,biored:fit --dropout 0 --resume "$@"
}

stage finetune --plain --backbone "$teacher" --corpus bc5cdr:fit --epochs 3 --lr 6e-5 --mask 0 --max-rows 1024 \
  --average 0.99 --out "$RUNS/teacher" --resume

# Self-sampling learns from sentences that distillation has not seen, the networks of mlp from still others.
# Sentences are joined to texts as long as abstracts, one a line.
sentences() {
  gunzip -c "$TEXTS/medline_sentences.txt.gz" | sed -n "$1" |
    awk '{ text = text sep $0; sep = " "; words += NF } words >= 200 { print text; text = sep = ""; words = 0 }
         END { if (text) print text }'
}
sentences 1,15000p > "$RUNS/learned.txt"
sentences 60011,66010p > "$RUNS/new.txt"
sentences '78501,$p' > "$RUNS/rest.txt"
gunzip -c "$TEXTS/clinical_abstracts.jsonl.gz" > "$RUNS/clinical.jsonl"
gunzip -c "$TEXTS/held_back.jsonl.gz" | sed -n 1,500p > "$RUNS/held_out.jsonl" # the abstracts; full texts follow

learn --backbone "$student" --teacher "$RUNS/teacher" --lines --texts "$RUNS/clinical.jsonl" "$RUNS/learned.txt" \
  --temperature 1 --soft-share 2 --epochs 2 --lr 2e-4 --pruned 0.3 --out "$RUNS/distilled"
for seed in 0 1 2; do
  learn --backbone "$RUNS/distilled" --teacher "$RUNS/teacher" --lines --texts "$RUNS/new.txt" --soft-share 2 --epochs 1 \
    --lr 1.5e-4 --pruned 0.7 --seed $seed --out "$RUNS/pruned$seed"
done
rm -rf "$RUNS/model" # of an earlier start
python - "$RUNS/model" "$RUNS"/pruned{0,1,2} << 'PY' # the mean of their weights
import sys

import torch

from engine.pytorch.checkpoint import load_weights, save_weights

first, *others = map(load_weights, sys.argv[2:])
states = [one.model.state_dict() for one in (first, *others)]
first.model.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
save_weights(sys.argv[1], first.model, first.tokenizer)
PY
stage decoder --model "$RUNS/model" --corpus bc5cdr:fit biored:fit --dev-corpus bc5cdr:calib
stage controller --model "$RUNS/model" --lines --texts "$RUNS/rest.txt"
tail -350 "$RUNS/rest.txt" > "$RUNS/last.txt"
stage controller --model "$RUNS/model" --lines --texts "$RUNS/last.txt" --attention

choose() { stage calibrate --model "$RUNS/model" --texts "$RUNS/held_out.jsonl" "$@"; }
python - "$RUNS/model/operating_points.json" << 'PY' # settings that the sweep does not find; it measures stored ones, too
import json
import sys
from pathlib import Path

path = Path(sys.argv[1])
points = {
    point: {
        "name": "entropy",
        "point": point,
        "gates": gates,
        "controller": {"kind": "entropy", "max_entropy": thresholds, "neighbours": 2, "exit_entities": True},
    }
    for point, gates, thresholds in (
        ("careful", [1, 2, 3, 5], [0.0113, 0.034, 0.102, 1.0]),
        ("balanced", [1, 2, 3, 5], [0.0226, 0.068, 0.204, 1.0]),
        ("fast", [1, 2, 3, 4], [0.0377, 0.1133, 0.34, 1.0]),
    )
}
path.write_text(json.dumps({"entropy": points}))
PY
choose --strategies entropy --max-f1-drop 3.3,4.8,6.2
choose --strategies rule,mlp,attention --max-f1-drop 3,6,8
choose --strategies mlp-attention,entropy+recovery,attention+recovery --max-f1-drop 3,6,8
