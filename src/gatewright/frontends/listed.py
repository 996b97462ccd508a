"""What a model lists: every layer by name and class, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """A layer as the model's file lists it.

    Attributes:
        name: as errors and reports name it; nested models' names stand before it.
        kind: its class, or the operator.
    """

    name: str
    kind: str
