#!/usr/bin/env bash
# Makes checkpoints of another task, and of other families, fast: MiniLM for BioRED's six types, and tiny DeBERTa-v2 and
# ModernBERT, from random weights, for BC5CDR. Their cards, which say how many entities each finds and how many
# token-layers are kept, end up in this folder. Started again, it goes on where it was stopped. In the root of a
# checkout, about an hour on two cores:
#
#   mkdir -p runs && ln -s FOLDER runs/texts
#   bash docs/other-checkpoints/make.sh
#
# FOLDER holds the unlabelled texts (weights/minilm-l6-bc5cdr/README.md says which). Without a connection to the hub,
# BACKBONE names a local folder of MiniLM. The cards here were made by this script as of commit c099f2b, with the options
# of that day: BioRED's checkpoint had IO labels, which no command writes any more, and a second start went on with the
# sweep.
set -euo pipefail

here=$(dirname "$0")
minilm=${BACKBONE:-sentence-transformers/all-MiniLM-L6-v2}
texts=${TEXTS:-runs/texts}
runs=${RUNS:-runs/others}
mkdir -p "$runs"

stage() { python -m "engine.training.$1" "${@:2}" --resume; }
fast() { # NAME
  if [ ! -e "$runs/$1-fast/README.md" ]; then
    stage accelerate "$runs/$1" --texts "$texts/abstracts.jsonl.gz" --held-out "$runs/held_back.jsonl" \
      --max-f1-drop 1,3,6 --epochs 3 --out "$runs/$1-fast"
  fi
  cp "$runs/$1-fast/README.md" "$here/$1.md"
}
gunzip -c "$texts/held_back.jsonl.gz" | sed -n 1,505p > "$runs/held_back.jsonl" # 500 abstracts and 5 full texts

stage finetune --plain --backbone "$minilm" --corpus biored:fit --epochs 15 --lr 3e-4 \
  --mask 0 --out "$runs/biored"
fast biored

for family in deberta-v2 modernbert; do
  python - "$family" "$runs/$family-random" << 'PY'
import sys

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

family, folder = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained("weights/minilm-l6-bc5cdr")
begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
own = {
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 128,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "modernbert": {"bos_token_id": begin, "cls_token_id": begin, "eos_token_id": end, "sep_token_id": end},
}
config = AutoConfig.for_model(
    family,
    vocab_size=len(tokenizer),
    hidden_size=128,
    num_hidden_layers=6,
    num_attention_heads=4,
    intermediate_size=256,
    max_position_embeddings=512,
    pad_token_id=tokenizer.pad_token_id,
    **own[family],
)
torch.manual_seed(0)
AutoModel.from_config(config).save_pretrained(folder)
tokenizer.save_pretrained(folder)
PY
  stage finetune --plain --backbone "$runs/$family-random" --corpus bc5cdr:fit --epochs 12 --lr 1e-3 --mask 0 \
    --out "$runs/$family"
  fast "$family"
done
