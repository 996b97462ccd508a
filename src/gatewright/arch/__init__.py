"""Floor 8: planner, cost and devices."""

from gatewright.arch.calibration import Calibration
from gatewright.arch.devices import DEFAULT, DEVICES, Device, find_device
from gatewright.arch.planner import Choice, Planned, plan
from gatewright.arch.timing import Path, critical_path

__all__ = [
    "DEFAULT",
    "DEVICES",
    "Calibration",
    "Choice",
    "Device",
    "Path",
    "Planned",
    "critical_path",
    "find_device",
    "plan",
]
