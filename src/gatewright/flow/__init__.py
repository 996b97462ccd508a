"""Floor 10: `compile()` and `Design`: the one place that knows the whole way."""

from gatewright.flow.compile import compile  # noqa: A004
from gatewright.flow.design import Design
from gatewright.flow.options import Options, parse_clock
from gatewright.flow.store import load_design
from gatewright.flow.verify import Check, Verification

__all__ = ["Check", "Design", "Options", "Verification", "compile", "load_design", "parse_clock"]
