"""PyTorch: modules and exported programs, read as ATen operations through `torch.export`."""

from gatewright.frontends.torch.archive import load_program, load_state
from gatewright.frontends.torch.listing import list_torch
from gatewright.frontends.torch.read import read_torch
from gatewright.frontends.torch.trace import Traced, trace

__all__ = ["Traced", "list_torch", "load_program", "load_state", "read_torch", "trace"]
