"""Libraries other than PyTorch that compute layers, one module each."""
