"""The model on packed rows (ragged batches, encoders, linear layers, label heads) and the padded Hugging Face pass."""
