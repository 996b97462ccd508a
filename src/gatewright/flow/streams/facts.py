"""What the report says of a stream design, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from gatewright.arch.ready import is_ready_late
from gatewright.emit.header import elements_text
from gatewright.emit.verilog import module_names, used_modules
from gatewright.hw import Module
from gatewright.passes.netlist import Resources, total_resources
from gatewright.passes.netlist.cost import own_resources
from gatewright.streams import OUTSIDE, Actor, Link, simulate

if TYPE_CHECKING:
    from gatewright.flow.streams.circuit import StreamCircuit
    from gatewright.flow.streams.design import StreamDesign

BETWEEN = "(between layers)"
PORTS = "(top: ports)"

WORK = 300_000_000
"""Steps of the cycle model that finding out what a smaller FIFO would cost may take."""


def layer_of(circuit: StreamCircuit, link: Link) -> str:
    """Return the layer that a FIFO belongs to: that of its reader, or of its writer at the end."""
    for number, _ in (link.target, link.source):
        if number != OUTSIDE:
            return circuit.network.actors[number].layer or BETWEEN
    return BETWEEN


def parts_of(circuit: StreamCircuit) -> dict[str, list[Module]]:
    """Return for each layer the modules of its actors and FIFOs, one for each instance."""
    network, core = circuit.network, circuit.joined
    found: dict[str, list[Module]] = {}
    modules = [instance.module for instance in core.instances]
    for actor, module in zip(network.actors, modules[: len(network.actors)], strict=True):
        found.setdefault(actor.layer or BETWEEN, []).append(module)
    fifos = iter(modules[len(network.actors) :])
    for link in network.links:
        if link.depth:
            found.setdefault(layer_of(circuit, link), []).append(next(fifos))
    return found


def layer_rows(design: StreamDesign) -> list[dict[str, Any]]:
    """Return a row for each layer, what stands around the network last."""
    circuit, family = design.stream, design.options.device.family
    names = module_names(used_modules(design.module))
    network = circuit.network
    rows = []
    for layer, modules in parts_of(circuit).items():
        numbers = [i for i, a in enumerate(network.actors) if (a.layer or BETWEEN) == layer]
        actors = [network.actors[i] for i in numbers]
        total = sum((total_resources(m, family) for m in modules), Resources())
        begin = min((int(circuit.cycles.spans[i, 0]) for i in numbers), default=0)
        end = max((int(circuit.cycles.spans[i, 1]) for i in numbers), default=0)
        row = {
            "layer": layer,
            "module": names[id(modules[0])],
            "note": _note(actors, [li for li in network.links if layer_of(circuit, li) == layer]),
            "operations": list(dict.fromkeys(a.note for a in actors)),
            "begin": begin, "end": end, "latency": end - begin,
            "interval": max((a.timing.steps for a in actors), default=1),
            "instances": 1,
            "estimate": counts(total),
        }  # fmt: skip
        if design.synthesis:
            row["synthesised"] = _synthesised(design, [names[id(m)] for m in modules])
        rows.append(row)
    own = Resources() if circuit.joined is design.module else own_resources(design.module, family)
    rows.append({
        "layer": PORTS, "module": design.name, "note": design.module.note, "operations": [],
        "begin": 0, "end": design.latency, "latency": design.latency, "interval": design.interval,
        "estimate": counts(own),
    })  # fmt: skip
    return rows


def counts(total: Resources) -> dict[str, Any]:
    """Return resources as the report prints them."""
    return {"lut": round(total.lut), "ff": total.ff, "dsp": total.dsp, "bram": total.bram}


def _note(actors: Sequence[Actor], fifos: Sequence[Link]) -> str:
    kept = [link for link in fifos if link.depth]
    text = f"{len(actors)} actor{'' if len(actors) == 1 else 's'}"
    if kept:
        bits = sum(link.depth * link.bits for link in kept)
        text += f", {len(kept)} FIFO{'' if len(kept) == 1 else 's'} of {bits:,} bits"
    return text


def _synthesised(design: StreamDesign, names: Sequence[str]) -> dict[str, float]:
    """Add up what synthesis counted of some modules."""
    assert design.synthesis is not None
    known = [design.synthesis.inclusive(n) for n in names if n in design.synthesis.modules]
    return {
        "lut": sum(c.lut_sites for c in known), "ff": sum(c.ff for c in known),
        "dsp": sum(c.dsp for c in known), "bram": sum(c.bram for c in known),
    }  # fmt: skip


def plan_rows(design: StreamDesign) -> list[dict[str, Any]]:
    """Return what was planned for each operation."""
    return [
        {"layer": c.layer, "node": c.node, "plan": str(c.plan), "products": c.multipliers,
         "steps": c.steps, "reason": c.reason}
        for c in design.stream.planned.choices
    ]  # fmt: skip


def stream_facts(design: StreamDesign) -> dict[str, Any]:
    """Return the streams, actors and FIFOs of a design."""
    circuit = design.stream
    return {
        "ports": circuit.ports,
        "interval_asked": design.options.interval,
        "interval_planned": circuit.planned.interval,
        "full_latency": circuit.full_latency,
        "streams": [
            *(_port(circuit, p, "input") for p in circuit.inputs),
            *(_port(circuit, p, "output") for p in circuit.outputs),
        ],
        "actors": _actors(design),
        "fifos": circuit.fifo_rows,
    }


def _port(circuit: StreamCircuit, port: Any, direction: str) -> dict[str, Any]:
    ends = circuit.core.inputs if direction == "input" else circuit.core.outputs
    return {
        "name": port.name, "value": port.value, "direction": direction, "shape": list(port.shape),
        "beat": port.beat, "beats": port.beats, "bits": int(port.types.width.sum()),
        "format": elements_text(circuit.core, ends[port.name]),
        "pace": circuit.pace.get(port.name),
    }  # fmt: skip


def _actors(design: StreamDesign) -> list[dict[str, Any]]:
    """Return a row for each actor."""
    circuit, family = design.stream, design.options.device.family
    rows = []
    for number, actor in enumerate(circuit.network.actors):
        timing = actor.timing
        total = total_resources(actor.module, family)
        links = [li for li in circuit.network.links if li.source[0] == number]
        rows.append({
            "name": actor.name, "layer": actor.layer, "note": actor.note,
            "steps": timing.steps, "beats_in": timing.beats_in.tolist(),
            "beats_out": timing.beats_out.tolist(), "latency": timing.latency,
            "elements": [int(prod(li.types.lo.shape)) for li in links],
            "begin": int(circuit.cycles.spans[number, 0]),
            "end": int(circuit.cycles.spans[number, 1]),
            "estimate": counts(total),
        })  # fmt: skip
    return rows


def fifo_rows(circuit: StreamCircuit) -> list[dict[str, Any]]:
    """Return a row for each link with a FIFO: how deep it is, and what one less would cost."""
    network = circuit.network
    rows = []
    steps = circuit.cycles.finished[-1] * len(network.actors)
    depths = network.depths
    few = sum(bool(d) for d in depths) * int(steps) <= WORK
    for number, link in enumerate(network.links):
        if not link.depth:
            continue
        rows.append({
            "from": _end(circuit, link.source), "to": _end(circuit, link.target),
            "layer": layer_of(circuit, link), "depth": link.depth, "bits": link.bits,
            "beats": link.beats,
            "why": _why(circuit, depths, number) if few else "the least at this speed",
        })  # fmt: skip
    return rows


def _end(circuit: StreamCircuit, end: tuple[int, str]) -> str:
    number, name = end
    return name if number == OUTSIDE else circuit.network.actors[number].name


def _why(circuit: StreamCircuit, depths: Sequence[int], number: int) -> str:
    """Say what happens with one place less."""
    fewer = [d - (i == number) for i, d in enumerate(depths)]
    if circuit.network.links[number].is_backward and not fewer[number]:
        return "it closes a loop: without it, ready would run in a circle"
    found = simulate(circuit.network, fewer, len(circuit.cycles.finished), circuit.given_interval)
    if found.locked:
        return "with one less, the network locks up"
    if found.late.any():
        return "with one less, a beat comes that cannot be taken"
    if found.interval > circuit.cycles.interval:
        return f"with one less, an event every {found.interval:,} cycles"
    if found.latency > circuit.cycles.latency:
        return f"with one less, a latency of {found.latency:,} cycles"
    if is_ready_late(circuit.network.with_depths(fewer), circuit.clock):
        return "without it, a path of ready is too long for the clock"
    if found.finished[-1] > circuit.cycles.finished[-1]:
        return "with one less, events under way hold each other up"
    return "no slower with one less at this rate of events"
