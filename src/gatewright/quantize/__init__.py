"""Floor 8: number formats for a float model, from calibration data."""

from gatewright.quantize.automatic import LayerChoice, Quantized, quantize
from gatewright.quantize.formats import Formats

__all__ = ["Formats", "LayerChoice", "Quantized", "quantize"]
