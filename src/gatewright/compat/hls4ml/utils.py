"""What scripts call as `hls4ml.utils`."""

from gatewright.compat.hls4ml.config import (
    config_from_keras_model,
    config_from_onnx_model,
    config_from_pytorch_model,
)

__all__ = ["config_from_keras_model", "config_from_onnx_model", "config_from_pytorch_model"]
