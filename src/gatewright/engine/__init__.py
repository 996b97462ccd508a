"""Floor 8: the fast emulator: circuits compiled with LLVM, run on batches of samples."""

from gatewright.engine.engine import Engine
from gatewright.engine.target import Target

__all__ = ["Engine", "Target"]
