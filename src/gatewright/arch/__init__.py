"""Floor 8: planner, cost and devices."""

from gatewright.arch.budget import Budget, Built, Tried
from gatewright.arch.calibration import Calibration
from gatewright.arch.devices import DEFAULT, DEVICES, Device, find_device
from gatewright.arch.limits import Limits, Need
from gatewright.arch.offload import Lowered, offload
from gatewright.arch.planner import Choice, Planned, plan
from gatewright.arch.timing import Path, critical_path

__all__ = [
    "DEFAULT",
    "DEVICES",
    "Budget",
    "Built",
    "Calibration",
    "Choice",
    "Device",
    "Limits",
    "Lowered",
    "Need",
    "Path",
    "Planned",
    "Tried",
    "critical_path",
    "find_device",
    "offload",
    "plan",
]
