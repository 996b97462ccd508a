"""Floor 8: the fast emulator: circuits, compiled with LLVM or interpreted, run on batches."""

from gatewright.engine.engine import Engine
from gatewright.engine.interpreted import Interpreter, can_interpret
from gatewright.engine.stored import is_stored
from gatewright.engine.target import Target

__all__ = ["Engine", "Interpreter", "Target", "can_interpret", "is_stored"]
