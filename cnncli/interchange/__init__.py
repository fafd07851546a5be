"""Networks for other programs, and weights from them: ONNX, NumPy and safetensors."""
