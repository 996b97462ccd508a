"""Every operation that says that its constants can be written: other ones, at random, read back.

The design gets them by its bus, and gives what the reference gives with them, under random stalls;
what AXI4-Lite reads is what was written.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stream_runs import agree, drawn_weights, idle_inputs, network_of, random_data, read, write

from gatewright.base import ModelError, OptionError
from gatewright.blocks.weight_ports import axi_lite_weights
from gatewright.hw import Simulator
from gatewright.ir import Plan, infer
from gatewright.ops import OPERATIONS, Forest, Function
from gatewright.passes.streams import held_words, load_forest, load_weights
from tests.conformance.common import all_cases
from tests.conformance.stream_plans import small
from tests.ops.cases.common import Case

FEW = 2
BITS = 8
"""Of an element whose table the interpreter fills quickly."""
WRITABLE = [op for op in OPERATIONS if op.writable]
OTHERS = [op for op in OPERATIONS if not op.writable]


def cases_of(op: type) -> list[Case]:
    """Return cases with tables of a few words and one format."""
    found = [case for case in all_cases() if type(case.op) is op]
    if op is Function:
        found = [c for c in found if c.name != "function-elements"]  # formats of their own
    return [case for case in found if case.inputs[0].width.max() <= BITS]


def plans_of(case: Case) -> list[Plan]:
    """Return a row in one beat, and one element or feature after the other."""
    shape = infer(case.graph())["y"].shape
    row = Plan(beat=shape[-1], writable=True)
    if isinstance(case.op, Forest):
        return [replace(row, lanes=2), replace(row, lanes=1, memory="block")]
    if hasattr(case.op, "weight"):
        n_in = case.op.weight.shape[-2]
        return [row, Plan(beat=1, taken=max(n_in // 2, 1), writable=True)]
    features = shape[-1] if len(shape) > len(case.inputs[0].shape) else 1
    return [row, Plan(beat=features, writable=True, memory="block")]


def rewritten(case: Case, plan: Plan) -> None:
    """Write other constants, compare results, and read all words."""
    graph, rng = case.graph(), np.random.default_rng(case.seed)
    lowered, top, _ = network_of(graph, {"y": plan})
    data, own = random_data(graph, 2), lowered.registers["y"]
    agree(lowered, top, graph, data)
    drawn = drawn_weights(case.op, own, rng)
    load = load_forest if isinstance(case.op, Forest) else load_weights
    loaded = load(graph, lowered.registers, "y", *drawn)
    agree(lowered, top, loaded.graph, data, 0.3, rng.permutation(loaded.writes).tolist())
    held = held_words(loaded.graph, lowered.registers).tolist()
    assert sorted(held) == sorted(loaded.writes.tolist())
    simulator = Simulator(axi_lite_weights(top))
    idle = idle_inputs(simulator.module)
    simulator.reset()
    some = rng.permutation(held)[:8].tolist()
    for address, word in some:
        write(simulator, idle, address, word)
    for address, word in some:
        assert read(simulator, idle, address) == (0, word)


@pytest.mark.parametrize("op", WRITABLE, ids=lambda op: op.__name__)
def test_constants_are_written_and_read(op):
    cases = small(cases_of(op))
    assert cases, "an operation whose constants can be written needs a small case"
    for number, case in enumerate(cases[:FEW]):
        plans = plans_of(case)
        rewritten(case, plans[number % len(plans)])


@pytest.mark.slow
@pytest.mark.parametrize("op", WRITABLE, ids=lambda op: op.__name__)
def test_constants_of_more_cases(op):
    cases = cases_of(op)
    for number, case in enumerate(cases[:: max(len(cases) // 12, 1)]):
        plans = plans_of(case)
        if case.name == "lookup-exact":  # one table for all elements, with a hole for some of them
            with pytest.raises(ModelError, match="has none for an input that can occur"):
                rewritten(case, plans[number % len(plans)])
            continue
        rewritten(case, plans[number % len(plans)])


@pytest.mark.parametrize("op", OTHERS, ids=lambda op: op.__name__)
def test_others_are_refused(op):
    cases = [case for case in all_cases() if type(case.op) is op]
    if not cases:
        pytest.skip("no case: the operation is made by passes")
    case = small(cases)[0]
    beat = max(infer(case.graph())["y"].size, 1)
    with pytest.raises(OptionError, match="no weights that could be written") as caught:
        network_of(case.graph(), {"y": Plan(beat=beat, writable=True)})
    names = sorted(op.__name__ for op in WRITABLE)
    assert ", ".join(names) in str(caught.value)
