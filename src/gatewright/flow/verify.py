"""Compare everything with everything: reference, netlist, engine, simulated RTL, golden vectors."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gatewright.base import ToolError, VerificationError
from gatewright.emit.verilog import module_names, used_modules
from gatewright.engine import Engine
from gatewright.hw import Kind, Module, Packing, Simulator
from gatewright.hw import evaluate as interpret
from gatewright.ir import Graph, evaluate
from gatewright.num import FixedArray, Ints, Rounding, round_shift
from gatewright.passes.netlist import Clock, DelayModel, counted, modules, pipeline
from gatewright.tools.rtl import RtlDesign, RtlPort
from gatewright.tools.verilator import Stimulus, simulate, versions

CONTROL = ("valid_in", "valid_out")
NO_HURRY = Clock(math.inf, DelayModel(0.0, 0.0, 0.0, 0.0, 0.0, "no time passes"))
INTERPRETER_BUDGET = 3_000_000
"""Cells times cycles that the interpreter is asked to work through for a design with state."""

LEAST_SHARED, LEAST_SAVED = 4_000, 100_000
"""Bytes of Verilog in a module, and in its copies but one, from which simulation shares it: calls
through the border of a model cost time, a megabyte of C++ a copy costs more."""

Codes = dict[str, Ints]
"""Integers by port, of shape (samples, elements)."""


@dataclass(frozen=True)
class Check:
    """One line of the verification ledger.

    Attributes:
        subject: what was compared with the integer reference.
        method: how.
        vectors: samples compared.
        status: `exact`, `proven`, `not proven`, `not run` or `failed`.
        detail: what a reader should know: seeds, tools, the first mismatch, why it was not run.
    """

    subject: str
    method: str
    vectors: int
    status: str
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Verification:
    """The ledger. `verified` only where the RTL itself was simulated and nothing failed."""

    checks: tuple[Check, ...]

    @property
    def failed(self) -> list[Check]:
        """Checks that found a mismatch."""
        return [check for check in self.checks if check.status == "failed"]

    @property
    def verified(self) -> bool:
        """Whether simulated RTL gave the reference's integers, and nothing else failed."""
        rtl = any(c.subject == "simulated RTL" and c.status == "exact" for c in self.checks)
        return rtl and not self.failed

    @property
    def proven(self) -> bool:
        """Whether a proof was asked for and covers the whole design, for every input."""
        proofs = [c for c in self.checks if c.status in ("proven", "not proven")]
        return bool(proofs) and all(c.status == "proven" for c in proofs) and not self.failed

    def facts(self) -> dict[str, Any]:
        """Return plain data."""
        return {"verified": self.verified, "checks": [asdict(check) for check in self.checks]}

    def raise_if_failed(self) -> None:
        """Raise `VerificationError` for the first check that failed."""
        if self.failed:
            first = self.failed[0]
            raise VerificationError(
                f"{first.subject} differs from the integer reference",
                found=first.detail,
                supported=f"equal integers on all {first.vectors} vectors"
                if first.vectors
                else "equal integers for every input",
                remedy="if no file was changed, this is a defect: please report the model",
            )


def data_ports(module: Module, outputs: bool = False) -> dict[str, list[int]]:
    """Return the ports of a module that carry data."""
    ports = module.outputs if outputs else module.inputs
    return {name: signals for name, signals in ports.items() if name not in CONTROL}


def numbers(
    graph: Graph, module: Module, found: Codes, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, FixedArray]:
    """Give the integers of a module's output ports their binary points, names and shapes."""
    answers = {}
    for (port, signals), o in zip(data_ports(module, True).items(), graph.outputs, strict=True):
        frac, shape = module.intervals(signals).frac, shapes[o.value]
        answers[o.name] = FixedArray(found[port].reshape(-1, *shape), frac.reshape(shape))
    return answers


def _rows(q: Ints) -> Ints:
    """Return the elements of each sample side by side, also where there is no sample."""
    return q.reshape(len(q), math.prod(q.shape[1:]))


def to_ports(graph: Graph, module: Module, inputs: Mapping[str, FixedArray]) -> Codes:
    """Return the integers of each input port of the top module."""
    names = data_ports(module)
    return {port: _rows(inputs[i.name].q) for port, i in zip(names, graph.inputs, strict=True)}


def reference(graph: Graph, module: Module, inputs: Mapping[str, FixedArray]) -> Codes:
    """Return what the integer reference says each output port must show."""
    values = evaluate(graph, inputs)
    answers = {}
    for (port, signals), o in zip(
        data_ports(module, outputs=True).items(), graph.outputs, strict=True
    ):
        kinds = module.intervals(signals)
        value = values[o.value]
        frac = np.broadcast_to(value.frac, value.q.shape[1:]).ravel()
        q = _rows(value.q)
        answers[port] = round_shift(q, frac - kinds.frac, Rounding.TRN)
        back = round_shift(answers[port], kinds.frac - frac, Rounding.TRN)
        if (back != q).any() or not kinds.contains(answers[port]).all():
            raise VerificationError(
                "the circuit's output port cannot hold the reference's answer",
                place=graph.source,
                found=port,
                remedy="this is a defect of Gatewright: please report the model",
            )
    return answers


def first_difference(wanted: Codes, got: Codes) -> str:
    """Return where two answers part, or nothing."""
    for port, expected in wanted.items():
        found = got[port]
        if expected.shape != found.shape:
            return f"port {port}: shape {found.shape} instead of {expected.shape}"
        bad = np.argwhere(expected != found)
        if len(bad):
            sample, element = (int(v) for v in bad[0])
            return (
                f"port {port}, element {element}, sample {sample}: {found[sample, element]} "
                f"instead of {expected[sample, element]} "
                f"({len(bad)} of {expected.size} values differ)"
            )
    return ""


def _timed(check: Check, start: float) -> Check:
    return replace(check, seconds=time.perf_counter() - start)


def check_netlist(netlist: Module, inputs: Codes, wanted: Codes) -> Check:
    """Compare the netlist interpreter, before registers are placed, with the reference."""
    start = time.perf_counter()
    count = len(next(iter(wanted.values())))
    method = "interpreter of cells, before registers"
    if any(m.holds(Kind.REG) for m in modules(netlist)):
        return _timed(_check_state_machine(netlist, inputs, wanted), start)
    got: dict[str, list[Ints]] = {port: [] for port in wanted}
    for first in range(0, count, 4096):
        part = {port: q[first : first + 4096] for port, q in inputs.items()}
        rows = len(next(iter(part.values())))
        answer = interpret(netlist, {"valid_in": np.ones((rows, 1), np.int64), **part})
        for port in wanted:
            got[port].append(answer[port])
    detail = first_difference(wanted, {port: np.concatenate(q) for port, q in got.items()})
    return _timed(Check("netlist", method, count, "failed" if detail else "exact", detail), start)


def _check_state_machine(module: Module, inputs: Codes, wanted: Codes) -> Check:
    """Run copies of a circuit with state side by side, a sample each, cycle by cycle.

    What goes past a folded layer has to wait for it: registers are placed, for a clock so slow that
    it asks for none.
    """
    method = "interpreter of cells, cycle by cycle"
    module = pipeline(module, NO_HURRY)
    latency = module.latency
    cells = sum(len(m) for m in modules(module))
    if cells * (latency + 1) > INTERPRETER_BUDGET:
        return Check(
            "netlist", method, 0, "not run",
            f"{cells:,} cells x {latency:,} cycles are too many; the simulated RTL covers them",
        )  # fmt: skip
    count = min(len(next(iter(wanted.values()))), 256)
    part = {port: q[:count] for port, q in inputs.items()}
    simulator = Simulator(module, batch=count, check=False)
    simulator.reset()
    zeros = {port: np.zeros_like(q) for port, q in part.items()}
    answers: dict[str, Ints] | None = None
    for cycle in range(latency + 1):
        given = part if cycle == 0 else zeros
        valid = np.full((count, 1), int(cycle == 0), np.int64)
        out = simulator.step({"valid_in": valid, **given})
        if out["valid_out"].all():
            answers = {port: out[port] for port in wanted}
            break
    if answers is None:
        return Check("netlist", method, count, "failed", "no result within the latency")
    detail = first_difference({p: q[:count] for p, q in wanted.items()}, answers)
    return Check("netlist", method, count, "failed" if detail else "exact", detail)


def check_engine(engine: Engine | None, inputs: Codes, wanted: Codes) -> Check:
    """Compare the compiled emulator with the reference."""
    start = time.perf_counter()
    count = len(next(iter(wanted.values())))
    if engine is None:
        return Check(
            "emulator", "integer reference, vectorised", 0, "not run",
            "a folded design is emulated by the reference itself: there is nothing to compare",
        )  # fmt: skip
    got = engine.run({"valid_in": np.ones((count, 1), np.int8), **inputs})
    detail = first_difference(wanted, got)
    status = "failed" if detail else "exact"
    note = detail or f"LLVM, {engine.lane_bits}-bit lanes"
    return _timed(Check("emulator", "compiled netlist", count, status, note), start)


def shared_modules(module: Module, sources: Mapping[str, str]) -> tuple[str, ...]:
    """Return the modules that a simulator does well to translate once, used ones before users.

    Args:
        module: the top.
        sources: its files; a module without one of its name is not shared.
    """
    names = module_names(used_modules(module))
    uses = {id(m): count for m, count in counted(module)}
    found: list[str] = []
    text: dict[int, int] = {}
    for m in modules(module):
        name = names[id(m)]
        inner = sum(text[id(i.module)] * i.count for i in m.instances)
        size = len(sources.get(f"{name}.v", "")) + inner
        saved = size * (uses[id(m)] - 1)
        is_shared = m is not module and size >= LEAST_SHARED and saved >= LEAST_SAVED
        if is_shared and f"{name}.v" in sources:
            found.append(name)
            size = 0
        text[id(m)] = size
    return tuple(found)


def rtl_design(module: Module, top: str, sources: Mapping[str, str]) -> RtlDesign:
    """Describe emitted Verilog to the simulator."""
    ins = [
        RtlPort(p, Packing.of(module.intervals(s)).bits, True)
        for p, s in data_ports(module).items()
    ]
    outs = [
        RtlPort(p, Packing.of(module.intervals(s)).bits, False)
        for p, s in data_ports(module, outputs=True).items()
    ]
    return RtlDesign(
        top,
        dict(sources),
        tuple(p for p in ins if p.width),
        tuple(p for p in outs if p.width),
        shared_modules(module, sources),
    )


def pack_ports(module: Module, codes: Codes) -> np.ndarray:
    """Return the words of all input ports, side by side."""
    ports = data_ports(module)
    return np.concatenate(
        [Packing.of(module.intervals(ports[p])).pack(q) for p, q in codes.items()], axis=1
    )


def unpack_ports(module: Module, words: np.ndarray) -> Codes:
    """Undo `pack_ports` for the output ports."""
    answers, first = {}, 0
    for port, signals in data_ports(module, outputs=True).items():
        packing = Packing.of(module.intervals(signals))
        answers[port] = packing.unpack(words[:, first : first + packing.words])
        first += packing.words
    return answers


@dataclass(frozen=True, eq=False)
class RtlRun:
    """What the simulated RTL did: its answers and the cycles it took, sample by sample."""

    outputs: Codes
    latency: Ints
    answers: int


def run_rtl(
    module: Module, design: RtlDesign, inputs: Codes, gaps: Ints, progress: Any = None
) -> RtlRun:
    """Simulate emitted Verilog, `gaps` idle cycles before each sample beyond the interval's."""
    spacing = np.asarray(gaps, np.int64) + module.interval - 1
    stimulus = Stimulus(pack_ports(module, inputs), spacing)
    drain = 2 * module.latency + 64
    (response,) = simulate(
        [design], [stimulus], drain=drain, max_latency=4 * module.latency + 1024, progress=progress
    )
    n = min(len(response.output_cycle), len(response.accept_cycle))
    latency = response.output_cycle[:n] - response.accept_cycle[:n]
    return RtlRun(unpack_ports(module, response.words), latency, len(response.words))


def check_rtl(
    module: Module,
    design: RtlDesign,
    inputs: Codes,
    wanted: Codes,
    seed: int = 1,
    progress: Any = None,
) -> Check:
    """Compare a run of the emitted files, with random gaps in `valid`, with the reference."""
    start = time.perf_counter()
    count = len(next(iter(wanted.values())))
    gaps = np.random.default_rng(seed).integers(0, 4, count)
    try:
        run = run_rtl(module, design, inputs, gaps, progress)
    except ToolError as error:
        if "compiler" not in error.what.lower():
            raise
        return Check("simulated RTL", "Verilator", 0, "not run", error.text())
    detail = ""
    if run.answers != count:
        detail = f"{run.answers} results for {count} samples"
    else:
        detail = first_difference(wanted, run.outputs)
    if not detail and (run.latency != module.latency).any():
        detail = f"latency {sorted(set(run.latency.tolist()))} cycles instead of {module.latency}"
    status = "failed" if detail else "exact"
    tools = ", ".join(f"{name} {version}" for name, version in versions().items())
    note = (
        detail
        or f"latency {module.latency} cycles on every sample, random gaps (seed {seed}); {tools}"
    )
    return _timed(Check("simulated RTL", "Verilator", count, status, note), start)


def check_golden(wanted: Codes, stored: Mapping[str, Ints]) -> Check:
    """Compare stored golden vectors with the reference."""
    count = len(next(iter(wanted.values())))
    detail = first_difference(wanted, dict(stored))
    return Check("golden vectors", "stored files", count, "failed" if detail else "exact", detail)
