"""Floor 10: `compile()` and `Design`: the one place that knows the whole way."""

from gatewright.flow.atomic import write_atomically
from gatewright.flow.compile import compile
from gatewright.flow.design import Design
from gatewright.flow.inspect import Inspection, inspect
from gatewright.flow.options import Options, parse_clock
from gatewright.flow.store import check_target, load_design, save_results
from gatewright.flow.streams import StreamDesign
from gatewright.flow.verify import Check, Verification

__all__ = [
    "Check",
    "Design",
    "Inspection",
    "Options",
    "StreamDesign",
    "Verification",
    "check_target",
    "compile",
    "inspect",
    "load_design",
    "parse_clock",
    "save_results",
    "write_atomically",
]
