"""Every operation, format and plan on streams: the reference's integers in the model's cycles.

Each case is cut into beats (single elements, one slab, two, all of it), folded products into 1, 2,
3 and as many steps as they have weights, with the least FIFOs, and run without stalls and with
random ones at both ends. A few plans of each operation run here, all of them with the slow tests.
"""

from __future__ import annotations

import pytest

from gatewright.base import OptionError
from gatewright.ops import OPERATIONS, Dense, Forest
from tests.conformance.common import all_cases
from tests.conformance.stream_cases import Network, run
from tests.conformance.stream_plans import Planned, Planner, chosen, small
from tests.ops.cases.common import Case

CASES = all_cases()
FEW, SAMPLES = 4, 3
LABELS = {"P1", "P2", "P3", "elements", "pairs", "row", "whole", "all", "fast", "L1", "L2", "L3"}
REFUSED = ("lookup-exact", "divide-by-constant")
"""Cases whose elements have ranges that a place of a beat cannot share."""


def cases_of(op: type) -> list[Case]:
    return [case for case in CASES if type(case.op) is op]


def few(op: type) -> list[Planned]:
    """Return the plans of an operation that run in the fast suite."""
    cases = [case for case in cases_of(op) if case.name not in REFUSED]
    # Products have their reuse factors beside the beats, forests their lanes.
    return chosen(small(cases), {Dense: 3, Forest: 3}.get(op, 1) * FEW)


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.__name__)
def test_streams_agree_with_the_reference(op):
    plans = few(op)
    assert plans or not cases_of(op)
    for planned in plans:
        run(planned, SAMPLES)


def test_every_kind_of_plan_is_tried():
    tried = {planned.label.partition("-")[0] for op in OPERATIONS for planned in few(op)}
    reuses = {label for label in tried if label[1:].isdigit() and label[0] == "R"}
    assert tried - reuses == LABELS
    assert {"R1", "R2", "R3"} < reuses
    for op in OPERATIONS:
        labels = {planned.label.partition("-")[0] for planned in few(op)}
        assert not cases_of(op) or len(labels) >= 3, op


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_place_of_a_beat_cannot_hold_is_refused(name):
    """Whole tensors work: each element has a place, and a range, of its own."""
    (case,) = [case for case in CASES if case.name == name]
    run(Planned(case, "all", {}), SAMPLES)
    plans = {planned.label: planned for planned in Planner(case).planned()}
    with pytest.raises(OptionError, match="elements that share a place in a beat") as caught:
        Network.of(plans["whole"])
    assert "remedy:    plan the operands whole (a beat of 2" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.__name__)
def test_every_case_and_plan(op):
    """Operations with many formats: each case with another plan; others: all of both."""
    cases = [case for case in cases_of(op) if case.name not in REFUSED]
    for number, case in enumerate(cases):
        plans = Planner(case).planned()
        if len(cases) > 16:
            plans = [plans[number % len(plans)]]
        for planned in plans:
            run(planned, 4)
