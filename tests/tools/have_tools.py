"""Whether Verilog can be simulated here."""

from __future__ import annotations

import pytest

from gatewright.base import ToolError
from gatewright.tools.compiler import find_compiler
from gatewright.tools.verilator_program import find_verilator


def missing():
    """Return why nothing can be simulated, or nothing."""
    try:
        find_compiler()
        find_verilator()
    except ToolError as error:
        return str(error)
    return ""


REASON = missing()
needs_simulation = pytest.mark.skipif(bool(REASON), reason=REASON)
