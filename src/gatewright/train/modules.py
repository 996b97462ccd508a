"""What the modules of all families share: the encoder, what the loop asks of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gatewright.train.network import Encoder, Network
from gatewright.train.straight import floored

SIGNIFICANT = 12
"""Bits of an encoder's scales, so that a quantizer in logic would stay small."""


class Trainable(nn.Module):  # type: ignore[misc]
    """A network under training; its forward answers logits, or what is predicted."""

    def after_backward(self) -> None:
        """Learn from the gradients before they are used."""

    def after_epoch(self, share: float) -> None:
        """Change what changes in steps; `share` of all epochs is over."""

    @property
    def settled(self) -> bool:
        """Whether the network has the size that was asked for."""
        return True

    def tables(self, encoder: Encoder) -> Network:
        """Return the network as integer tables."""
        raise NotImplementedError


class CodesOf(nn.Module):  # type: ignore[misc]
    """Bring features to codes by a scale and an offset each, both learnt.

    Codes begin spread over what lies between the `tail` and `1 - tail` quantiles.
    """

    def __init__(self, x: np.ndarray, bits: int, tail: float) -> None:
        super().__init__()
        low, high = np.quantile(x.astype(np.float64), [tail, 1 - tail], axis=0)
        high = np.where(high > low, high, low + 1.0)
        self.bits, self.codes = bits, 1 << bits
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32))
        self.register_buffer("span", torch.tensor(high - low, dtype=torch.float32))
        self.gain = nn.Parameter(torch.zeros(x.shape[1]))
        self.shift = nn.Parameter(torch.zeros(x.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Return codes as floats, whose gradients pass."""
        y = ((x - self.low) / self.span * torch.exp(self.gain) + self.shift) * self.codes
        return floored(torch.clamp(y, 0, self.codes - 1 + 2.0**-6))

    def encoder(self) -> Encoder:
        """Return the encoder with scales of few bits."""
        gain = np.exp(to_numpy(self.gain)) * self.codes
        scale = few_bits(gain / to_numpy(self.span))
        offset = to_numpy(self.shift) * self.codes - to_numpy(self.low) * scale
        return Encoder(scale, np.rint(offset * 2.0**SIGNIFICANT) / 2.0**SIGNIFICANT, self.bits)


def few_bits(values: np.ndarray) -> np.ndarray:
    """Return numbers rounded to a few significant bits."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    few = np.ldexp(np.rint(np.ldexp(mantissa, SIGNIFICANT)), exponent - SIGNIFICANT)
    return np.asarray(few, np.float64)


def to_numpy(value: Any) -> np.ndarray:
    """Return a tensor as float64."""
    return np.asarray(value.detach().cpu().numpy(), np.float64)


def to_integers(value: Any) -> np.ndarray:
    """Return a tensor of integers held in floats as int64."""
    return np.asarray(np.rint(to_numpy(value)), np.int64)
