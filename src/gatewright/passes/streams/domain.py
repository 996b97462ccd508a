"""Whether operations take all that passes through the places of a beat.

Elements that share a place share a type, which holds them all: an operation that is not defined
everywhere (a table given value by value, a division) can take each of them and not that.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from gatewright.base import GatewrightError, OptionError
from gatewright.ir import Op
from gatewright.num import Intervals
from gatewright.streams import Stream, beat_types


def known_types(stream: Stream) -> Intervals:
    """Return what a stream says of each element of its tensor."""
    whole = stream.types.map(lambda v: np.tile(v, stream.beats)[: stream.elements])
    return whole.map(lambda v: v.reshape(stream.shape))


def refusal(
    op: Op, x: Sequence[Stream], shapes: Sequence[tuple[int, ...]]
) -> GatewrightError | None:
    """Return why an operation does not take parts of tensors that pass one after the other.

    Args:
        op: on the parts.
        x: the tensors.
        shapes: of a part of each.
    """
    return refused_by(op, [_part(stream, shape) for stream, shape in zip(x, shapes, strict=True)])


def refused_by(op: Op, parts: Sequence[Intervals]) -> GatewrightError | None:
    """Return why an operation does not take operands of some types; None where it does."""
    try:
        op.infer(*parts)
    except GatewrightError as error:
        return error
    return None


def in_beats(kind: Intervals, beat: int) -> Intervals:
    """Return what is known of each element of a tensor once it has travelled in beats."""
    places = beat_types(kind, beat)
    whole = places.map(lambda v: np.tile(v, -(-kind.size // beat))[: kind.size])
    return whole.map(lambda v: v.reshape(kind.shape))


def _part(stream: Stream, shape: tuple[int, ...]) -> Intervals:
    """Return what a part of a tensor can be, whichever it is."""
    return beat_types(known_types(stream), prod(shape)).map(lambda v: v.reshape(shape))


def require_domain(op: Op, x: Sequence[Stream]) -> None:
    """Raise `OptionError` where an operation does not take what its operands can be in any beat."""
    error = refusal(op, x, [stream.shape for stream in x])
    if error is not None:
        wholes = ", ".join(f"a beat of {stream.elements}" for stream in x)
        raise OptionError(
            "elements that share a place in a beat reach numbers together that the operation "
            "does not take",
            found=f"beats of {', '.join(str(s.beat) for s in x)}; {error.what}: {error.found}",
            supported="beats in which each place only holds what the operation takes",
            remedy=f"plan the operands whole ({wholes}), or give their elements one range",
        ) from error
