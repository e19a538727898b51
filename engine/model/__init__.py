"""The model on packed rows: ragged batches, encoders, linear layers, label heads."""
