"""What operations say of rows, slabs and parts of rows holds: stream designs are built from it.

`Op.at_row`, `Op.at_slab` and `Op.at_part` return operations on less than a whole tensor. On the
slices of the operands each gives the slice of the whole result, for every case of every operation.
"""

from __future__ import annotations

from functools import cache
from math import prod

import numpy as np
import pytest

from gatewright.ir import Op, infer
from gatewright.num import FixedArray
from gatewright.ops import OPERATIONS
from gatewright.passes.streams.slabs import slab_fits
from tests.conformance.common import all_cases, same_numbers, samples
from tests.ops.cases.common import Case

CASES = all_cases()


class Whole:
    """A case computed whole, and what is cut from it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.x = list(samples(case).values())
        self.y = case.op.evaluate(*self.x)
        self.shape = infer(case.graph())["y"].shape

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [t.shape for t in self.case.inputs]

    def check(self, op: Op, x: list[FixedArray], where: tuple[object, ...]) -> None:
        """Compare a restricted operation on cut operands with the cut result."""
        found = op.evaluate(*x)
        assert same_numbers(found, cut(self.y, where)), (self.case.name, op, where)


def cut(x: FixedArray, where: tuple[object, ...]) -> FixedArray:
    """Return part of each sample."""
    frac = np.broadcast_to(x.frac, x.q.shape[1:])
    return FixedArray(x.q[(slice(None), *where)], frac[where])


def row_of(x: FixedArray, shape: tuple[int, ...], index: tuple[int, ...], last: int) -> FixedArray:
    """Return what meets the row at an index of a result's leading axes, the last axes whole."""
    frac = np.broadcast_to(x.frac, x.q.shape[1:])
    leading = x.q.ndim - 1 - last
    lengths = x.q.shape[1 : 1 + leading]
    places = index[len(index) - leading :] if leading else ()
    where = tuple(0 if n == 1 else i for n, i in zip(lengths, places, strict=True))
    return FixedArray(x.q[(slice(None), *where)], frac[where])


def rows(whole: Whole) -> int:
    """Check every row; return how many there are."""
    op, leading = whole.case.op, whole.shape[:-1]
    if not whole.shape or op.at_row((0,) * len(leading)) is None:
        return 0
    for index in np.ndindex(leading):
        part = op.at_row(index)
        assert part is not None
        x = []
        for number, operand in enumerate(whole.x):
            is_whole = number in op.whole_operands
            positions = index[:-1] if is_whole else index
            last = 2 if is_whole else 1
            x.append(row_of(operand, whole.shape, index if not is_whole else positions, last))
        whole.check(part, x, index)
    return prod(leading)


def slabs(whole: Whole) -> int:
    """Check every position of every number of leading axes; return how many there are."""
    count = 0
    for axes in range(1, len(whole.shape) + 1):
        part = whole.case.op.at_slab(axes)
        if part is None or not slab_fits(whole.case.op, whole.shapes, whole.shape, axes):
            continue
        for index in np.ndindex(whole.shape[:axes]):
            whole.check(part, [cut(x, index) for x in whole.x], index)
            count += 1
    return count


def parts(whole: Whole) -> int:
    """Check halves, single elements, every other one of each row; return how many there are."""
    op, count = whole.case.op, 0
    if not whole.shape or any(s[-1:] != whole.shape[-1:] for s in whole.shapes):
        return 0
    last = whole.shape[-1]
    for start, stop in {(0, last), (0, 1), (last - 1, last), (last // 2, last), (1, last)}:
        part = op.at_part(slice(start, stop)) if start < stop else None
        if part is None:
            continue
        where = (..., slice(start, stop))
        whole.check(part, [cut(x, where) for x in whole.x], where)
        count += 1
    return count


@cache
def cut_up(op: type[Op]) -> dict[str, int]:
    """Check all cases of an operation; return how many rows, slabs and parts there are."""
    found = {"rows": 0, "slabs": 0, "parts": 0}
    for case in CASES:
        if type(case.op) is op:
            whole = Whole(case)
            found["rows"] += rows(whole)
            found["slabs"] += slabs(whole)
            found["parts"] += parts(whole)
    return found


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.__name__)
def test_restricted_operations_give_their_part_of_the_result(op):
    cut_up(op)


ON_ROWS = "Absolute Add Affine Clip Dense Divide GroupedDense Lookup Matmul Normalize Quantize "
ON_ROWS += "ReduceMax Requantize Softmax Sum TopK Where"
ON_SLABS = "Argmax Concatenate Embedding Gather GroupedDense Matmul OneHot Pad ReduceMax Slice "
ON_SLABS += "Sum Take Transpose"
ON_PARTS = "Absolute Add Affine Clip Compare Divide Function LeakyRelu Lookup Multiply Piecewise "
ON_PARTS += "Quantize Relu Requantize Where"


@pytest.mark.parametrize(
    ("what", "names"), [("rows", ON_ROWS), ("slabs", ON_SLABS), ("parts", ON_PARTS)]
)
def test_many_operations_can_be_cut(what, names):
    """The test above says nothing of operations that return None; these must not."""
    assert set(names.split()) <= {op.__name__ for op in OPERATIONS if cut_up(op)[what]}
