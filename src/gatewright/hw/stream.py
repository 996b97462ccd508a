"""Drive a module the way its user does: samples with `valid_in`, results with `valid_out`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatewright.hw.interpret import Simulator
from gatewright.hw.module import Module
from gatewright.num import Ints

VALID_IN, VALID_OUT = "valid_in", "valid_out"


@dataclass(frozen=True, eq=False)
class StreamResult:
    """What came out.

    Attributes:
        outputs: for each port, integers of shape (results, elements).
        accept_cycle: cycle in which each sample was presented.
        output_cycle: cycle in which each result was marked valid.
    """

    outputs: dict[str, Ints]
    accept_cycle: Ints
    output_cycle: Ints


def run_stream(
    module: Module, samples: Mapping[str, Ints], gaps: Ints | None = None, drain: int | None = None
) -> StreamResult:
    """Run samples through a module cycle by cycle, with idle cycles and garbage between them.

    Args:
        module: with ports `valid_in` and `valid_out`.
        samples: for each other input port, integers of shape (samples, elements).
        gaps: idle cycles before each sample, beyond what the interval asks for.
        drain: cycles to run after the last sample; by default the latency and some more.
    """
    simulator = Simulator(module)
    count = len(next(iter(samples.values())))
    gaps = np.zeros(count, np.int64) if gaps is None else gaps
    rng = np.random.default_rng(0)
    accept: list[int] = []
    output: list[int] = []
    seen: list[dict[str, Ints]] = []
    idle = module.interval - 1
    simulator.reset()
    _warm_up(simulator, module, samples, rng)
    cycle = 0
    for i in range(count):
        for _ in range(int(gaps[i]) + (idle if i else 0)):
            cycle = _cycle(simulator, _garbage(module, samples, rng), 0, cycle, output, seen)
        accept.append(cycle)
        given = {port: values[i : i + 1] for port, values in samples.items()}
        cycle = _cycle(simulator, given, 1, cycle, output, seen)
    for _ in range(module.latency + 8 if drain is None else drain):
        cycle = _cycle(simulator, _garbage(module, samples, rng), 0, cycle, output, seen)
    ports = [port for port in module.outputs if port != VALID_OUT]
    outputs = {
        p: np.concatenate([s[p] for s in seen])
        if seen
        else np.zeros((0, len(module.outputs[p])), np.int64)
        for p in ports
    }
    return StreamResult(outputs, np.asarray(accept, np.int64), np.asarray(output, np.int64))


def _warm_up(
    simulator: Simulator, module: Module, samples: Mapping[str, Ints], rng: np.random.Generator
) -> None:
    """Fill the pipeline: until then, what registers hold before reset need not belong together."""
    simulator.checking(False)
    for _ in range(module.latency + 1):
        simulator.step({**_garbage(module, samples, rng), VALID_IN: np.asarray([[0]])})
    simulator.checking(True)


def _garbage(
    module: Module, samples: Mapping[str, Ints], rng: np.random.Generator
) -> dict[str, Ints]:
    """Return legal values that belong to no sample."""
    result = {}
    for port in samples:
        kinds = module.intervals(module.inputs[port])
        result[port] = rng.integers(kinds.lo, kinds.hi + 1)[None]
    return result


def _cycle(
    simulator: Simulator,
    values: Mapping[str, Ints],
    valid: int,
    cycle: int,
    output: list[int],
    seen: list[dict[str, Ints]],
) -> int:
    """Run one cycle and note a result."""
    found = simulator.step({**values, VALID_IN: np.asarray([[valid]])})
    if found[VALID_OUT][0, 0]:
        output.append(cycle)
        seen.append(found)
    return cycle + 1
