"""What is measured of each network in its shape, and the targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from tests.models.networks import Material
from tests.models.shapes import SHAPES, Shape

import gatewright as gw
from bench.context import Bench
from bench.material import SHARED
from bench.record import MissingError, Row, Target
from gatewright.arch.ready import is_ready_late
from gatewright.emit.verilog import emit_verilog
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.host import as_inputs, encode
from gatewright.flow.options import Options
from gatewright.flow.streams import StreamDesign
from gatewright.flow.streams.simulate import beats_of, rtl_design, run_rtl
from gatewright.flow.streams.verify import reference, to_codes
from gatewright.streams import Cycles, assemble, simulate
from gatewright.tools.yosys_counts import Counts

Rows = list[Row]


@dataclass(frozen=True, eq=False)
class Case:
    """A network in its material, and how it is called in the table."""

    shape: Shape
    material: Material

    @property
    def name(self) -> str:
        """As the table calls it."""
        return self.shape.name


@lru_cache(maxsize=2)
def case(name: str) -> Case:
    """Return a network.

    Raises:
        MissingError: its data are not beside the checkout.
    """
    shape = next(s for s in SHAPES if s.name == name)
    try:
        return Case(shape, shape.load(SHARED))
    except FileNotFoundError as error:
        raise MissingError(f"needs {error.filename} (../shared/data beside the checkout)") from None


def compiled(bench: Bench, c: Case, what: str = "", **options: Any) -> Design:
    """Compile as a user would; `what` says which of several designs."""
    asked = ", ".join(f"{name}={value}" for name, value in options.items() if name != "plan")
    bench.tell(f"compile {what or c.name}: {asked or 'no options'}")
    given = {"device": c.shape.device, "clock": c.shape.clock, **c.material.options, **options}
    return gw.compile(c.material.model, **given)


def again(bench: Bench, c: Case, first: Design, what: str, **options: Any) -> Design:
    """Build the integer model of a design in another shape, as `compile` does once it has it."""
    bench.tell(f"build {what}")
    given = {"device": c.shape.device, "clock": c.shape.clock, **options}
    return rebuild(first.graph, Options.of(**given))


# ---- what is measured of any design


@dataclass(frozen=True)
class Run:
    """What simulated RTL did with some events.

    Attributes:
        latency: cycles from the first beat in to the last beat out, of an event alone.
        interval: cycles between the last beats of the last two events.
        equal: whether all integers are those of the reference.
        events: how many.
    """

    latency: int
    interval: int
    equal: bool
    events: int


def simulated(bench: Bench, design: Design, x: Any, events: int) -> Run:
    """Simulate the emitted Verilog of a design on its first inputs, back to back."""
    bench.tell(f"simulate {events} events in RTL")
    part = {name: v[:events] for name, v in x.items()} if isinstance(x, Mapping) else x[:events]
    if not isinstance(design, StreamDesign):
        return _simulated_parallel(design, part, events)
    codes = encode(design.graph, as_inputs(design.graph, part))
    run = design.simulate_beats(beats_of(design.stream, codes))
    wanted, found = (
        reference(design.graph, design.stream, codes),
        to_codes(design.stream, run.outputs),
    )
    equal = not run.deadlock and all(np.array_equal(wanted[name], found[name]) for name in wanted)
    ends = run.finished(design.stream)
    # The first event finds the design empty: its latency is that of an event alone.
    return Run(int(ends[0]), int(ends[-1] - ends[-2]), bool(equal), events)


def _simulated_parallel(design: Design, x: Any, events: int) -> Run:
    """A design of fixed latency: the test bench itself checks in which cycle each answer comes."""
    found, wanted = design.simulate(x), design.predict(x)
    outputs = wanted.keys() if isinstance(wanted, dict) else [None]
    equal = all(
        np.array_equal(*(v if name is None else v[name] for v in (found, wanted)))
        for name in outputs
    )
    return Run(design.latency, design.interval, equal, events)


def cycle_rows(bench: Bench, name: str, design: Design, run: Run) -> Rows:
    """Hold what a design says of its cycles to what was simulated, and its FIFOs to need."""
    same = (design.latency, design.interval) == (run.latency, run.interval)
    rows = [
        Row(
            f"{name}: cycles reported = simulated, integers equal",
            f"latency {run.latency:,}, II {run.interval:,}, {run.events} events"
            + ("" if same else f" (reported {design.latency:,} and {design.interval:,})")
            + ("" if run.equal else ", integers differ"),
            Target("equal", least=1.0),
            float(same and run.equal),
        )
    ]
    if isinstance(design, StreamDesign):
        rows.append(fifo_row(bench, name, design))
    return rows


def fifo_row(bench: Bench, name: str, design: StreamDesign) -> Row:
    """Say whether any FIFO could be one smaller: each is tried, all others as they are."""
    network = design.stream.network
    pace = 0 if design.stream.handshake else design.interval
    depths = [link.depth for link in network.links]
    deep = [i for i, depth in enumerate(depths) if depth]
    bench.tell(f"try {len(deep)} FIFOs one smaller")
    now, clock = simulate(network, interval=pace), design.options.clock_for(design.module)
    spare, cuts = [], []
    for i in deep:
        fewer = [d - (i == k) for k, d in enumerate(depths)]
        found = simulate(network, fewer, interval=pace)
        if found.locked or worse(found, now):
            continue
        (cuts if is_ready_late(network.with_depths(fewer), clock) else spare).append(i)
    return Row(
        f"{name}: FIFOs that could be one smaller",
        f"{len(spare)} of {len(deep)} ({sum(depths):,} beats, {len(depths)} links"
        + (f"; {len(cuts)} only for the clock)" if cuts else ")"),
        Target("none", most=0.0),
        float(len(spare)),
        note="each FIFO one smaller, the others as they are, in the cycle model, which the row "
        "before holds to RTL; smaller counts as possible where interval and latency stay, and no "
        "path of `ready` becomes too long for the clock",
        facts={"depths": depths, "spare": spare, "cuts": cuts},
    )


def tried_row(bench: Bench, name: str, design: StreamDesign, x: Any, events: int) -> Row:
    """Simulate the RTL with each FIFO one smaller: the cycle model must have told what happens.

    Args:
        bench: told what is done.
        name: what the table calls the design.
        design: its FIFOs are the least; the streams in front of ports are what is simulated.
        x: inputs.
        events: how many are simulated.
    """
    circuit = replace(design.stream, ports="stream", pace={})
    codes = encode(design.graph, as_inputs(design.graph, x[:events]))
    beats = beats_of(circuit, codes)
    now = simulate(circuit.network, events=events)
    depths = circuit.network.depths
    deep = [i for i, depth in enumerate(depths) if depth]
    stopped, slower, clocked, surprises = [], [], [], []
    clock = design.options.clock_for(design.module)
    for i in deep:
        bench.tell(f"simulate {events} events in RTL, FIFO {i} one smaller")
        network = circuit.network.with_depths([d - (i == k) for k, d in enumerate(depths)])
        told = simulate(network, events=events)
        module = assemble(network, design.latency, design.interval)
        fewer = replace(circuit, network=network, core=module, module=module)
        run = run_rtl(fewer, rtl_design(fewer, module.name, emit_verilog(module)), beats)
        if told.locked or run.deadlock:
            (stopped if told.locked and run.deadlock else surprises).append(i)
            continue
        same = np.array_equal(np.diff(run.finished(fewer)), np.diff(told.finished))
        if same and worse(told, now):
            slower.append(i)
        else:  # a depth that only breaks a path of `ready` costs the clock, not cycles
            (clocked if same and is_ready_late(network, clock) else surprises).append(i)
    return Row(
        f"{name}: RTL with each FIFO one smaller",
        f"{len(stopped)} stop, {len(slower)} slower"
        + (f", {len(clocked)} miss the clock" if clocked else "")
        + (f", {len(surprises)} not as told" if surprises else "")
        + f" of {len(deep)}",
        Target("each stops, is slower or misses the clock, as told", most=0.0) if deep else None,
        float(len(surprises)),
        note=f"each FIFO one smaller, the others as they are, {events} events back to back",
        facts={"stopped": stopped, "slower": slower, "surprises": surprises},
    )


def worse(found: Cycles, now: Cycles) -> bool:
    """Whether a network is slower, or lets a beat from outside wait where none did."""
    return bool(
        found.interval > now.interval
        or found.latency > now.latency
        or (found.finished > now.finished).any()
        or (found.late > now.late).any()
    )


def resources(bench: Bench, design: Design) -> Counts | None:
    """Return what Yosys counts, or None where nothing is to be synthesised.

    Each module by itself: quicker than the whole design flat, and without what may be saved across
    the borders of modules. With abc in place of abc9, which takes a fourth of the time.
    """
    if bench.quick:
        return None
    bench.tell("synthesise")
    return design.synthesize(flow="fast", flatten=False).total


def resource_rows(
    name: str,
    counts: Counts | None,
    limits: Mapping[str, tuple[str, float]],
    design: Design | None = None,
) -> Rows:
    """Hold counts to limits: by resource, the target's text and the most.

    Args:
        name: what the table calls the design.
        counts: that synthesis found; None where it did not run.
        limits: by resource.
        design: whose estimate is compared with them.
    """
    if counts is None:
        return [Row(f"{name}: resources", trouble="without synthesis")]
    found = named_counts(counts)
    told = ", ".join(f"{value:,g} {key}" for key, value in found.items())
    rows = [
        Row(
            f"{name}: {key}, synthesised", f"{found[key]:,g}", Target(text, most=most),
            float(found[key]), note=f"{SYNTHESIS}: {told}", facts=dict(found),
        )
        for key, (text, most) in limits.items()
    ]  # fmt: skip
    if not limits:
        rows.append(Row(f"{name}: resources, synthesised", told, note=SYNTHESIS, facts=dict(found)))
    return [*rows, estimate_row(name, design, found)] if design is not None else rows


SYNTHESIS = (
    "Yosys `synth_xilinx` with abc (-3 to +15 % LUTs against abc9), each module by itself, times "
    "its instances; LUTs are all sites, those that are memory or shift registers as well"
)


def named_counts(counts: Counts) -> dict[str, float]:
    """Return counts as the table names them."""
    return {"LUT": counts.lut_sites, "FF": counts.ff, "BRAM": counts.bram, "DSP": counts.dsp}


def estimate_row(name: str, design: Design, found: Mapping[str, float]) -> Row:
    """Compare what was estimated before synthesis with what synthesis counted; no target."""
    facts = design.facts()
    guess = {key: float(facts["estimate"][key.lower()]) for key in found}
    told = ", ".join(
        f"{key} {guess[key]:,g} ({guess[key] / value - 1:+.0%})"
        if value
        else f"{key} {guess[key]:g}"
        for key, value in found.items()
    )
    layers = {
        row["layer"]: {"estimate": row["estimate"], "synthesised": row["synthesised"]}
        for row in facts["layers"] if row.get("synthesised")
    }  # fmt: skip
    return Row(
        f"{name}: estimate against synthesis", told,
        note="resources as estimated from the circuit; in brackets what that is off by",
        facts={"estimate": guess, "synthesised": dict(found), "layers": layers},
    )  # fmt: skip


def latency_row(name: str, design: Design, run: Run, most: float, published: str) -> Row:
    """Hold the simulated latency at the clock to a target in microseconds."""
    found = run.latency * design.options.clock_ns / 1e3
    rate = 1e9 / (run.interval * design.options.clock_ns)
    return Row(
        f"{name}: latency",
        f"{found:.4g} us ({run.latency:,} cycles at {design.options.clock_mhz:g} MHz)",
        Target(f"at most {most:g} us", most=most),
        found,
        note=f"published: {published}; II {run.interval:,} cycles, {rate:,.0f} events/s; "
        f"{design.timing}",
        facts={"latency": run.latency, "interval": run.interval},
    )


def accuracy_row(c: Case, design: Design, text: str, least: float, how: str = "") -> Row:
    """Hold the share of right answers, by the emulator, to a target if there is one."""
    x, y = c.material.x, c.material.y
    right = c.material.right(np.asarray(design.predict(x)).reshape(len(y), -1), y)
    return Row(
        f"{c.name}: {text}", f"{right:.2%} of {len(y):,}",
        Target(f"at least {least:.1%}", least=least) if least else None, right,
        note="all by the emulator, bit for bit what the RTL gives" + (f"; {how}" if how else ""),
    )  # fmt: skip
