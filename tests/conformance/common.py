"""The cases of all operations, found by the stem of an operation's file, and what they are fed."""

from __future__ import annotations

import importlib
from functools import cache

import numpy as np

from gatewright.flow.host import corner_codes
from gatewright.num import FixedArray
from gatewright.ops import OPERATIONS
from tests.ops.cases.common import Case


def stem(op: type) -> str:
    """Return the name of an operation's file."""
    return op.__module__.rpartition(".")[2]


@cache
def all_cases() -> list[Case]:
    """Return every case of every operation."""
    cases: list[Case] = []
    for op in OPERATIONS:
        cases += importlib.import_module(f"tests.ops.cases.{stem(op)}").CASES
    return cases


def chunks_of(items: list, size: int) -> list[list]:
    """Cut a list into pieces."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def samples(case: Case) -> dict[str, FixedArray]:
    """Return inputs of a case: the corners of its types' ranges, and random ones."""
    rng = np.random.default_rng(case.seed)
    codes = [corner_codes(t, rng, case.samples) for t in case.inputs]
    count = min(len(c) for c in codes)
    # The last of each are random: pair random with random, whatever the number of corners.
    return {
        f"x{i}": FixedArray(c[-count:], t.frac)
        for i, (c, t) in enumerate(zip(codes, case.inputs, strict=True))
    }


def same_numbers(a: FixedArray, b: FixedArray) -> bool:
    """Say whether two tensors hold the same numbers, on whatever grids."""
    if a.q.shape != b.q.shape:
        return False
    finest = np.maximum(np.broadcast_to(a.frac, a.q.shape[1:]), b.frac)
    return np.array_equal(a.aligned(finest), b.aligned(finest))
