"""Number formats for a requested output error, with a bound that is derived, not measured."""

from gatewright.quantize.bounded.quantize import Bounded, quantize_bounded

__all__ = ["Bounded", "quantize_bounded"]
