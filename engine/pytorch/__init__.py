"""The PyTorch backend: training, CUDA, and the reference that the graph is compared with."""
