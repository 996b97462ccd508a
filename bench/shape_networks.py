"""The networks that are built in shapes, and what each is held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from tests.models.networks import script

from bench.context import Bench
from bench.record import Row, Target
from bench.shape_rows import (
    Rows,
    Run,
    accuracy_row,
    again,
    case,
    compiled,
    cycle_rows,
    latency_row,
    resource_rows,
    resources,
    simulated,
    tried_row,
)
from gatewright.flow import Design
from gatewright.flow.streams import StreamDesign
from gatewright.tools.yosys_counts import Counts

KEYWORDS_II = 330
"""Cycles between inputs that the planner is given: it then answers within 15 us."""


def keywords(bench: Bench) -> Rows:
    """FINN's MLPerf Tiny entry: 17.5 us on a Pynq-Z2, 33,732 LUTs."""
    c = case("keywords")
    design = compiled(bench, c, ii=KEYWORDS_II)
    run = simulated(bench, design, c.material.x, 4)
    counts = resources(bench, design)
    limits = {"LUT": ("at most 30,000 (FINN 33,732)", 30_000.0), **within(design, "BRAM", "DSP")}
    return [
        latency_row(c.name, design, run, 15.0, "FINN, MLPerf Tiny v0.7: 17.5 us"),
        *resource_rows(c.name, counts, limits, design),
        accuracy_row(
            c, design, "class as the published system answered", 1.0,
            "where scores are equal the later class counts, as in the published system",
        ),
        *cycle_rows(bench, c.name, design, run),
    ]  # fmt: skip


def within(design: Design, *keys: str) -> dict[str, tuple[str, float]]:
    """Return limits that are what the device has."""
    device = design.options.device
    return {
        key: (f"at most {getattr(device, key.lower()):,} ({device.name})",
              float(getattr(device, key.lower())))
        for key in keys
    }  # fmt: skip


RESNET_II = 200_000
"""Cycles between images that the planner is given: one every 2 ms."""


def resnet(bench: Bench) -> Rows:
    """hls4ml's MLPerf Tiny entry: 27.3 ms; FINN's CNV: 1.5 ms with 84.5 %."""
    c = case("resnet-8")
    asked = {"ii": RESNET_II, "max_latency": "3 ms", "ports": "axi-stream"}
    design = compiled(bench, c, **asked)
    run = simulated(bench, design, c.material.x, 2)
    return [
        latency_row(
            c.name, design, run, 3000.0,
            "hls4ml RN07 27.3 ms, 28,544 LUTs, 83.5 %; FINN CNV 1.5 ms, 24,502 LUTs, 100 BRAM, "
            "84.5 %",
        ),
        *resource_rows(
            c.name, resources(bench, design), within(design, "LUT", "BRAM", "DSP"), design
        ),
        accuracy_row(c, design, "accuracy", 0.845),
        planning_row(c.name, design.timings),
        *cycle_rows(bench, c.name, design, run),
    ]  # fmt: skip


MODEL_STEPS = ("read model", "quantize", "check import", "prepare solver")
"""What is done before a design is planned, and once after an installation."""


LATER_STEPS = ("simulate RTL", "synthesise")
"""What is done with a design that is there."""


def planning_row(name: str, timings: Mapping[str, float]) -> Row:
    """Hold the seconds from the integer model to RTL to a target; `timings` are of all steps."""
    took = {step: s for step, s in timings.items() if step not in LATER_STEPS}
    seconds = sum(s for step, s in took.items() if step not in MODEL_STEPS)
    return Row(
        f"{name}: planning and emitting",
        f"{seconds:.1f} s",
        Target("under 60 s", most=60.0),
        seconds,
        note="; ".join(f"{step} {s:.1f} s" for step, s in took.items()),
        facts={"timings": dict(timings)},
    )


DIGITS_II = 520
"""Cycles between images: two pixels a cycle. With one, the pixels alone take 1,024 of the 1,040
cycles that there are, and the whole some more than that."""


def digits(bench: Bench) -> Rows:
    """The CNN of arXiv:2101.05108: 5.2 us, an image every 1,028 cycles."""
    c = case("digits")
    asked = {"ii": DIGITS_II, "max_latency": "5.2 us", "ports": "axi-stream"}
    design = compiled(bench, c, **asked)
    run = simulated(bench, design, c.material.x, 4)
    return [
        latency_row(c.name, design, run, 5.2, "arXiv:2101.05108: 5.2 us, II 1,028 cycles"),
        *resource_rows(
            c.name, resources(bench, design), within(design, "LUT", "BRAM", "DSP"), design
        ),
        accuracy_row(c, design, "accuracy", 0.0),
        *cycle_rows(bench, c.name, design, run),
        tried_row(bench, c.name, design, c.material.x, 3),
    ]


def sparse_pixels(bench: Bench) -> Rows:
    """SparsePixels' neutrino network, 63 x 63: 0.665 us at 362,637 LUTs, 48.7 us if dense."""
    c = case("sparse-pixels")
    design = compiled(bench, c)
    run = simulated(bench, design, c.material.x, 20)
    published = "arXiv:2512.06208: dense 48.7 us, sparse 0.665 us at 362,637 LUTs"
    rows = [
        latency_row(c.name, design, run, 0.665, published),
        *cycle_rows(bench, c.name, design, run),
        accuracy_row(c, design, "class as the published layers answered", 1.0),
    ]
    counts = None if bench.quick else by_layer(bench, design)
    limits = {"LUT": ("fewer than 362,637", 362_636.0)}
    return [*rows, *resource_rows(c.name, counts, limits)]


def by_layer(bench: Bench, design: Design) -> Counts:
    """Synthesise layer by layer, as `scripts/measure_networks.py` does: a whole takes hours."""
    networks = script("measure_networks")
    parts = networks.parts_of(design)
    found = {}
    for number, module in enumerate(parts):
        bench.tell(f"synthesise {module.name} ({number + 1} of {len(parts)})")
        found[module.name] = networks.alone(design, module)
    return networks.summed_counts(design, found)


INTERVALS = (4, 16, 64)
SHARE = 0.7


class Point(NamedTuple):
    """What one interval takes: the interval as simulated, resources as synthesised."""

    interval: int
    lut: int
    dsp: int
    bram: float


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
            rows += resource_rows(what, counts, {}, design)
            if counts is not None:
                found[ii] = Point(run.interval, counts.lut_sites, counts.dsp, counts.bram)
        rows += saving_rows(c.name + title, found, is_target=not title)
    return rows


def saving_rows(name: str, found: Mapping[int, Point], is_target: bool = True) -> Rows:
    """Hold what folding saves to what it would ideally: resources inverse to the interval.

    Each interval is held to the one before it; the last to the first stands beside, for
    information.

    Args:
        name: of the network.
        found: by the interval asked for, what was simulated and synthesised.
        is_target: there is something to be met.
    """
    order = [found[ii] for ii in sorted(found)]
    rows = [_saving(name, *pair, is_target) for pair in pairwise(order)]
    if len(order) > 2:
        rows.append(_saving(name, order[0], order[-1], is_target=False))
    return rows or [Row(f"{name}: saving", trouble="without synthesis")]


def _saving(name: str, before: Point, after: Point, is_target: bool) -> Row:
    """Compare two intervals. Fewer DSP blocks count only where LUTs fall, too."""
    ideal = after.interval / before.interval
    ratios = {"LUT": before.lut / max(after.lut, 1)}
    if before.dsp:
        ratios["DSP"] = before.dsp / max(after.dsp, 1)
    counted = [key for key in ratios if key == "LUT" or ratios["LUT"] > 1]
    best = max(counted, key=lambda key: ratios[key])
    told = [f"{key} {ratio:.2f} times less" for key, ratio in ratios.items()]
    share = ratios[best] / ideal
    return Row(
        f"{name}: saving from II {before.interval} to {after.interval}",
        f"{share:.0%} of ideal in {best} ({', '.join(told)}, ideally {ideal:.4g}; "
        f"LUT {before.lut:,} -> {after.lut:,}, DSP {before.dsp:,} -> {after.dsp:,}, "
        f"BRAM {before.bram:g} -> {after.bram:g})",
        Target(f"at least {SHARE:.0%} in LUT or DSP", least=SHARE) if is_target else None,
        share,
        note="ideal: resources inverse to the interval that was simulated",
        facts={"ideal": ideal, **ratios},
    )


STEPS = 20
STATIC, UNROLLED = 80, 20
"""Cycles between events: of one cell that does all steps, and of a cell for each step."""

UNROLLED_CLOCK = {"gru": "200 MHz", "lstm": "160 MHz"}
"""Clock of the design with a cell for each step: nets grow with a design, and twenty cells of the
LSTM leave too little of 5 ns for an accumulator, by the delay model."""


def recurrent(kind: str) -> Callable[[Bench], Rows]:
    """Return the measurement of a recurrent network, one cell for all steps and a cell for each."""

    def rows_of(bench: Bench) -> Rows:
        c = case(kind)
        static = compiled(bench, c, f"{kind}, static", ii=STATIC, ports="stream")
        run = simulated(bench, static, c.material.x, 6)
        rows = _recurrent_rows(bench, f"{kind}, static", static, run)
        rows += [static_row(kind, static, run), accuracy_row(c, static, "accuracy", 0.0)]
        what, clock = f"{kind}, non-static", UNROLLED_CLOCK[kind]
        unrolled = again(bench, c, static, what, ii=UNROLLED, ports="stream", clock=clock)
        run = simulated(bench, unrolled, c.material.x, 6)
        return [*rows, unrolled_row(what, run), *_recurrent_rows(bench, what, unrolled, run)]

    return rows_of


def _recurrent_rows(bench: Bench, what: str, design: Design, run: Run) -> Rows:
    rows = cycle_rows(bench, what, design, run)
    return rows + resource_rows(what, resources(bench, design), {}, design)


def unrolled_row(what: str, run: Run) -> Row:
    """Hold the interval of a design with a cell for each step to what was asked for."""
    return Row(
        f"{what}: II", f"{run.interval} cycles", Target(f"at most {UNROLLED}", most=UNROLLED),
        float(run.interval), note="a cell for each step, all at work on events one after the other",
    )  # fmt: skip


def static_row(kind: str, design: Design, run: Run) -> Row:
    """Hold the simulated interval to the steps times the cycles of the cell."""
    assert isinstance(design, StreamDesign)
    loop = next(actor for actor in design.stream.network.actors if actor.name == kind)
    cell, rest = divmod(loop.timing.steps, STEPS)
    found = run.interval - STEPS * cell
    return Row(
        f"{kind}, static: II less steps x cell II",
        f"{found} (II {run.interval} simulated, {STEPS} steps x {cell} cycles of the cell)",
        Target("0, exactly", most=0.0, least=0.0),
        float(found if not rest else "nan"),
        note="hls4ml: static designs use one cell for all steps, non-static ones a cell for each",
    )


SHAPE_SECTIONS: dict[str, Callable[[Bench], Rows]] = {
    "keywords": keywords,
    "resnet-8": resnet,
    "digits": digits,
    "sparse-pixels": sparse_pixels,
    "interaction": interaction,
    "gru": recurrent("gru"),
    "lstm": recurrent("lstm"),
}
"""The measurements, in the order of the table."""
