"""Floor 8: planner, cost and devices."""

from gatewright.arch.budget import Budget, Built, Tried
from gatewright.arch.devices import DEFAULT, DEVICES, Device, find_device
from gatewright.arch.limits import Limits, Need
from gatewright.arch.offload import offload
from gatewright.arch.planner import Choice, Planned, plan

__all__ = [
    "DEFAULT",
    "DEVICES",
    "Budget",
    "Built",
    "Choice",
    "Device",
    "Limits",
    "Need",
    "Planned",
    "Tried",
    "find_device",
    "offload",
    "plan",
]
