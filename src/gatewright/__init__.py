"""Turn a trained model into verified firmware.

>>> import gatewright as gw
>>> design = gw.compile("tagger.onnx", calibration=x, clock="400 MHz")  # doctest: +SKIP
>>> design.verify()  # doctest: +SKIP
"""

from gatewright._version import __version__
from gatewright.base import GatewrightError
from gatewright.flow import Design, compile  # noqa: A004
from gatewright.flow import load_design as load

__all__ = ["Design", "GatewrightError", "__version__", "compile", "load"]
