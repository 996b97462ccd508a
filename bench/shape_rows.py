"""What is measured of each network in its shape, and the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from tests.models.networks import Material
from tests.models.shapes import SHAPES, Shape

import gatewright as gw
from bench.context import Bench
from bench.material import SHARED
from bench.record import MissingError, Row, Target
from gatewright.flow import Design
from gatewright.flow.compile import rebuild
from gatewright.flow.host import as_inputs, encode
from gatewright.flow.options import Options
from gatewright.flow.streams import StreamDesign
from gatewright.flow.streams.simulate import beats_of
from gatewright.flow.streams.verify import reference, to_codes
from gatewright.streams import Cycles, simulate
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
    asked = ", ".join(f"{name}={value}" for name, value in options.items())
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
    now = simulate(network, interval=pace)
    spare = []
    for i in deep:
        found = simulate(network, [d - (i == k) for k, d in enumerate(depths)], interval=pace)
        if not (found.locked or worse(found, now)):
            spare.append(i)
    return Row(
        f"{name}: FIFOs that could be one smaller",
        f"{len(spare)} of {len(deep)} ({sum(depths):,} beats, {len(depths)} links)",
        Target("none", most=0.0),
        float(len(spare)),
        note="each FIFO one smaller, the others as they are, in the cycle model, which the row "
        "before holds to RTL; smaller counts as possible where interval and latency stay",
        facts={"depths": depths, "spare": spare},
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
    """Return what Yosys counts, or None where nothing is to be synthesised."""
    if bench.quick:
        return None
    bench.tell("synthesise")
    return design.synthesize().total


def resource_rows(
    name: str, counts: Counts | None, limits: Mapping[str, tuple[str, float]]
) -> Rows:
    """Hold counts to limits: by resource, the target's text and the most."""
    if counts is None:
        return [Row(f"{name}: resources", trouble="without synthesis")]
    found = {"LUT": counts.lut_sites, "FF": counts.ff, "BRAM": counts.bram, "DSP": counts.dsp}
    told = ", ".join(f"{value:g} {key}" for key, value in found.items())
    rows = []
    for key, (text, most) in limits.items():
        rows.append(
            Row(
                f"{name}: {key}, synthesised", f"{found[key]:,g}", Target(text, most=most),
                float(found[key]), note=f"Yosys: {told}", facts=dict(found),
            )
        )  # fmt: skip
    return rows or [Row(f"{name}: resources, synthesised", told, facts=dict(found))]


def latency_row(name: str, design: Design, run: Run, most: float, published: str) -> Row:
    """Hold the simulated latency at the clock to a target in microseconds."""
    found = run.latency * design.options.clock_ns / 1e3
    rate = 1e3 / (run.interval * design.options.clock_ns)
    return Row(
        f"{name}: latency",
        f"{found:.4g} us ({run.latency:,} cycles at {design.options.clock_mhz:g} MHz)",
        Target(f"at most {most:g} us", most=most),
        found,
        note=f"published: {published}; II {run.interval:,} cycles, {rate * 1e3:,.0f} events/s; "
        f"{design.timing}",
        facts={"latency": run.latency, "interval": run.interval},
    )


def accuracy_row(c: Case, design: Design, text: str, least: float) -> Row:
    """Hold the share of right answers, by the emulator, to a target."""
    x, y = c.material.x, c.material.y
    right = c.material.right(np.asarray(design.predict(x)).reshape(len(y), -1), y)
    return Row(
        f"{c.name}: {text}", f"{right:.2%} of {len(y):,}",
        Target(f"at least {least:.1%}", least=least), right,
        note="all by the emulator, bit for bit what the RTL gives",
    )  # fmt: skip


# ---- the networks


def keywords(bench: Bench) -> Rows:
    """FINN's MLPerf Tiny entry: 17.5 us on a Pynq-Z2, 33,732 LUTs."""
    c = case("keywords")
    design = compiled(bench, c, max_latency="15 us", max_luts=30_000)
    run = simulated(bench, design, c.material.x, 4)
    counts = resources(bench, design)
    return [
        latency_row(c.name, design, run, 15.0, "FINN, MLPerf Tiny v0.7: 17.5 us"),
        *resource_rows(c.name, counts, {"LUT": ("at most 30,000 (FINN 33,732)", 30_000)}),
        accuracy_row(c, design, "class as the published system answered", 1.0),
        *cycle_rows(bench, c.name, design, run),
    ]


def resnet(bench: Bench) -> Rows:
    """hls4ml's MLPerf Tiny entry: 27.3 ms; FINN's CNV: 1.5 ms with 84.5 %."""
    c = case("resnet-8")
    design = compiled(bench, c, max_latency="3 ms")
    device = design.options.device
    seconds = sum(
        took
        for step, took in design.timings.items()
        if step not in ("read model", "quantize", "check import", "prepare solver")
    )
    limits = {
        "LUT": (f"at most {device.lut:,} ({device.name})", device.lut),
        "BRAM": (f"at most {device.bram:,}", device.bram),
        "DSP": (f"at most {device.dsp:,}", device.dsp),
    }
    run = simulated(bench, design, c.material.x, 2)
    return [
        latency_row(
            c.name, design, run, 3000.0,
            "hls4ml RN07 27.3 ms, 28,544 LUTs, 83.5 %; FINN CNV 1.5 ms, 24,502 LUTs, 100 BRAM, "
            "84.5 %",
        ),
        *resource_rows(c.name, resources(bench, design), limits),
        accuracy_row(c, design, "accuracy", 0.845),
        Row(
            f"{c.name}: planning and emitting", f"{seconds:.1f} s", Target("under 60 s", most=60.0),
            seconds, note=str({k: round(v, 1) for k, v in design.timings.items()}),
        ),
        *cycle_rows(bench, c.name, design, run),
    ]  # fmt: skip


def digits(bench: Bench) -> Rows:
    """The CNN of arXiv:2101.05108: 5.2 us, an image every 1,028 cycles."""
    c = case("digits")
    design = compiled(bench, c, max_latency="5.2 us", ports="axi-stream")
    run = simulated(bench, design, c.material.x, 4)
    return [
        latency_row(c.name, design, run, 5.2, "arXiv:2101.05108: 5.2 us, II 1,028 cycles"),
        *resource_rows(c.name, resources(bench, design), {}),
        accuracy_row(c, design, "accuracy", 0.0),
        *cycle_rows(bench, c.name, design, run),
    ]


INTERVALS = (4, 16, 64)
SHARE = 0.7


def interaction(bench: Bench) -> Rows:
    """The interaction network folded: what a longer interval saves."""
    c = case("interaction")
    first = None
    rows: Rows = []
    for title, limits in (("", {}), (" without DSP", {"max_dsps": 0})):
        found = {}
        for ii in INTERVALS:
            what = f"{c.name}, II {ii}{title}"
            if first is None:
                design = first = compiled(bench, c, what, ii=ii, **limits)
            else:
                design = again(bench, c, first, what, ii=ii, **limits)
            run = simulated(bench, design, c.material.x, 20)
            rows += cycle_rows(bench, what, design, run)
            counts = resources(bench, design)
            rows += resource_rows(what, counts, {})
            if counts is not None:
                found[ii] = counts.lut_sites, counts.dsp, run.interval
        rows += saving_rows(c.name + title, found, is_target=not title)
    return rows


def saving_rows(
    name: str, found: Mapping[int, tuple[int, int, int]], is_target: bool = True
) -> Rows:
    """Hold what folding saves to what it would ideally: resources inverse to the interval.

    Args:
        name: of the network.
        found: by the interval asked for, LUTs, DSP blocks and the interval that was simulated.
        is_target: there is something to be met.
    """
    rows = []
    for ii in list(found)[1:]:
        (lut, dsp, before), (less_lut, less_dsp, after) = found[min(found)], found[ii]
        ideal = after / before
        shares = {"LUT": lut / max(less_lut, 1) / ideal, "DSP": dsp / max(less_dsp, 1) / ideal}
        best = max(shares, key=lambda key: shares[key])
        rows.append(
            Row(
                f"{name}: saving from II {before} to {after}",
                f"{shares[best]:.0%} of ideal in {best} "
                f"(LUT {lut:,} -> {less_lut:,}, DSP {dsp:,} -> {less_dsp:,})",
                Target(f"at least {SHARE:.0%} in LUT or DSP", least=SHARE) if is_target else None,
                shares[best],
                note="ideal: resources inverse to the interval that was simulated",
                facts=shares,
            )
        )
    return rows or [Row(f"{name}: saving", trouble="without synthesis")]


def recurrent(kind: str) -> Callable[[Bench], Rows]:
    """Return the measurement of a recurrent network, static and not."""

    def rows_of(bench: Bench) -> Rows:
        c = case(kind)
        raise MissingError(f"{c.name}: designs that keep a state are not built yet")

    return rows_of


SHAPE_SECTIONS: dict[str, Callable[[Bench], Rows]] = {
    "keywords": keywords,
    "resnet-8": resnet,
    "digits": digits,
    "interaction": interaction,
    "gru": recurrent("gru"),
    "lstm": recurrent("lstm"),
}
"""The measurements, in the order of the table."""
