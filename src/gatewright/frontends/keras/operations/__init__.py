"""Functions of `keras.ops` that a functional model calls, which files hold like layers.

Meaning from Keras 3.15 (`keras/src/ops/numpy.py`, `math.py`, `nn.py`, `core.py`). Axes count the
batch, which stays first and as it is.
"""

from __future__ import annotations

from gatewright.frontends.keras.handler import Handler
from gatewright.frontends.keras.operations import (
    elementwise,
    functions,
    movement,
    reductions,
    segments,
)

OPERATIONS: dict[str, Handler] = {
    handler.kind: handler
    for handler in (
        *elementwise.HANDLERS,
        *functions.HANDLERS,
        *movement.HANDLERS,
        *reductions.HANDLERS,
        *segments.HANDLERS,
    )
}
"""By the class of the operation."""
