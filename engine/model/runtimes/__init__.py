"""Other libraries that compute layers, one module each."""
