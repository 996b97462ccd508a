"""Turn a trained model into verified firmware.

>>> import gatewright as gw
>>> design = gw.compile("tagger.onnx", calibration=x, clock="400 MHz")  # doctest: +SKIP
>>> design.verify()  # doctest: +SKIP

What is named here is loaded when it is first used, so that `import gatewright` and the command
line's tab completion stay quick.
"""

from typing import TYPE_CHECKING, Any

from gatewright._version import __version__
from gatewright.base import GatewrightError

if TYPE_CHECKING:
    from gatewright.flow import Design, compile, inspect
    from gatewright.flow import load_design as load
    from gatewright.frontends.expressions import Expressions

__all__ = ["Design", "Expressions", "GatewrightError", "__version__", "compile", "inspect", "load"]

_FLOW = {"Design": "Design", "compile": "compile", "inspect": "inspect", "load": "load_design"}


def __getattr__(name: str) -> Any:
    """Load what is named in `__all__`."""
    if name == "Expressions":
        from gatewright.frontends.expressions import Expressions

        return Expressions
    if name not in _FLOW:
        raise AttributeError(f"module 'gatewright' has no attribute {name!r}")
    from gatewright import flow

    return getattr(flow, _FLOW[name])
