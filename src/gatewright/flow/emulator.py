"""How the first samples of a design are computed, before its emulator is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gatewright.engine import Interpreter, can_interpret, is_stored
from gatewright.hw import Module
from gatewright.num import Ints
from gatewright.passes.netlist import modules

LARGE = 8_000
"""Cells from which compiling takes a second or more."""

FEW = 20_000
"""Samples that are interpreted before one looks whether compiled code is on disk."""

MOST = 500_000
"""Samples that are interpreted in all: with more, the seconds of compiling come back."""


@dataclass
class FirstSamples:
    """Runs a large circuit's first samples by interpretation: they are there without compiling.

    Attributes:
        netlist: the circuit.
        done: samples that were run.
    """

    netlist: Module
    done: int = 0
    _interpreter: Interpreter | None = None

    def run(
        self, ports: Mapping[str, NDArray[Any]], count: int, threads: int | None
    ) -> dict[str, Ints] | None:
        """Return the outputs by port; None where the compiled emulator is to be taken.

        Args:
            ports: inputs as `Engine.run` takes them.
            count: samples.
            threads: to use at most; None: all processors.
        """
        before, self.done = self.done, self.done + count
        if self.done > MOST or sum(map(len, modules(self.netlist))) < LARGE:
            return None
        if self._interpreter is None and not can_interpret(self.netlist):
            return None
        if before <= FEW < self.done and is_stored(self.netlist):
            self.done = MOST + 1
            return None
        if self._interpreter is None:
            self._interpreter = Interpreter(self.netlist)
        return self._interpreter.run(ports, threads=threads)
