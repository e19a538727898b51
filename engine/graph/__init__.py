"""The graph backend: a whole pass as one ONNX graph, run by ONNX Runtime."""
