"""Floor 8: planner, cost and devices."""

from gatewright.arch.devices import DEFAULT, DEVICES, Device, find_device
from gatewright.arch.planner import Choice, Planned, plan

__all__ = ["DEFAULT", "DEVICES", "Choice", "Device", "Planned", "find_device", "plan"]
