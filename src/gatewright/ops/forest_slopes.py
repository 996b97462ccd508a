"""How a forest's answers change with its features: slopes of chords."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatewright.ir import Pull, Reals

if TYPE_CHECKING:
    from gatewright.ops.forest import Forest

CHORD = 1 / 32
"""Of a feature's standard deviation: over so much slopes are taken."""


def along_chords(op: Forest, values: Reals) -> Pull:
    """Return the pullback at samples, (..., features)."""
    x = values.reshape(-1, values.shape[-1])
    slopes = np.zeros((len(x), x.shape[1], len(op.base)))
    for k in np.unique(op.features):
        half = float(np.nanstd(x[:, k])) * CHORD / 2
        if half == 0:
            continue
        up, down = x.copy(), x.copy()
        up[:, k] += half
        down[:, k] -= half
        slopes[:, k] = (op.real(up) - op.real(down)) / (2 * half)
    return lambda dy: [
        np.einsum("rfo,ro->rf", slopes, dy.reshape(len(x), -1)).reshape(values.shape)
    ]
