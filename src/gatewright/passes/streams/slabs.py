"""Which operations do the same to each slab of a tensor: to a row, a pixel, a node's edges."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from gatewright.ir import Node, Op
from gatewright.passes.row_kinds import ops_at_rows, state_key

Shape = tuple[int, ...]


def slabs(node: Node, operands: Sequence[Shape], shape: Shape) -> list[tuple[Op, int]]:
    """Return an operation's part on a slab and how many axes lead it, smallest slabs first.

    Args:
        node: the operation.
        operands: shapes of its operands.
        shape: of its result.
    """
    found: list[tuple[Op, int]] = []
    for axes in range(len(shape), 0, -1):
        if not slab_fits(node.op, operands, shape, axes):
            continue
        op = node.op.at_slab(axes)
        if op is None and axes == len(shape) - 1:
            op = _row(node, shape)
        if op is not None:
            found.append((op, axes))
    return found


def slab_fits(op: Op, operands: Sequence[Shape], shape: Shape, axes: int) -> bool:
    """Whether the first axes of all operands are those of the result, and enough are behind.

    Operands of fewer axes than others are aligned with the last ones: where they have as many in
    front, those are others.
    """
    aligned = len({len(s) for s in operands}) == 1
    behind = all(len(s) >= axes + op.slab_axes for s in operands)
    return aligned and behind and all(s[:axes] == shape[:axes] for s in operands)


def slab_of(
    node: Node, operands: Sequence[Shape], shape: Shape, beat: int
) -> tuple[Op, int] | None:
    """Return the smallest slab of which a beat of the result holds a whole number."""
    for op, axes in slabs(node, operands, shape):
        if beat % prod(shape[axes:]) == 0:
            return op, axes
    return None


def _row(node: Node, shape: Shape) -> Op | None:
    """Return the operation of a row, where it is the same for all."""
    leading = shape[:-1]
    if node.op.whole_operands or node.op.at_row((0,) * len(leading)) is None:
        return None
    ops = ops_at_rows(node, leading)
    return ops[0] if len({state_key(op) for op in ops}) == 1 else None
