"""Instances: uses of one module in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewright.hw.bulk import Column, values
from gatewright.num import Ints

if TYPE_CHECKING:
    from gatewright.hw.module import Module


@dataclass(frozen=True, eq=False)
class Instance:
    """Uses of one module side by side, which all begin in the same cycle; mostly one use.

    Attributes:
        inputs: the signals that feed them, copy after copy, each port by port.
        count: how many copies. Their outputs are numbered copy after copy, too.
    """

    module: Module
    name: str
    inputs: Column
    count: int = 1

    @property
    def feeds(self) -> Ints:
        """The signals that feed each copy, (copies, inputs of the module)."""
        return values(self.inputs).reshape(self.count, -1)
