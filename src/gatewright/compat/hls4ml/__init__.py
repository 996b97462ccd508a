"""The calls of hls4ml's Python interface: `import gatewright.compat.hls4ml as hls4ml`.

A script that configures, converts, compiles, predicts, traces, writes and builds keeps its lines.
What hls4ml's C++ would compute is not imitated bit for bit: sums are exact here unless a precision
for `accum` is given, and tables are as long as their inputs need. Every key of a configuration is
honoured or refused; see docs/guides/moving-from-hls4ml.md.
"""

from gatewright.compat.hls4ml import converters, report, utils
from gatewright.compat.hls4ml.config import (
    config_from_keras_model,
    config_from_onnx_model,
    config_from_pytorch_model,
)
from gatewright.compat.hls4ml.converters import (
    convert_from_config,
    convert_from_keras_model,
    convert_from_onnx_model,
    convert_from_pytorch_model,
)
from gatewright.compat.hls4ml.model import HlsModel

__all__ = [
    "HlsModel",
    "config_from_keras_model",
    "config_from_onnx_model",
    "config_from_pytorch_model",
    "convert_from_config",
    "convert_from_keras_model",
    "convert_from_onnx_model",
    "convert_from_pytorch_model",
    "converters",
    "report",
    "utils",
]
