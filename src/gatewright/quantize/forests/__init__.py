"""Quantization of decision forests: where features are cut, and the words of leaves."""

from gatewright.quantize.forests.stage import ROUNDING, ForestResult, quantize_forest

__all__ = ["ROUNDING", "ForestResult", "quantize_forest"]
