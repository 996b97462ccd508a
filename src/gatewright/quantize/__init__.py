"""Floor 8: number formats for a float model, from calibration data."""

from gatewright.quantize.automatic import quantize
from gatewright.quantize.formats import Formats
from gatewright.quantize.result import LayerChoice, Quantized

__all__ = ["Formats", "LayerChoice", "Quantized", "quantize"]
