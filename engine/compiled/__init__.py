"""The pass in 8 bits as one graph of OpenVINO, without PyTorch."""
