"""Everything the report says of a design, as plain data."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewright._version import __version__
from gatewright.flow.budget import budget_facts
from gatewright.flow.forest_facts import forest_facts
from gatewright.flow.table_facts import table_facts
from gatewright.hw import NONE, Kind, Module
from gatewright.ir import describe, evaluate, infer
from gatewright.num import Intervals
from gatewright.passes.lower import group_nodes
from gatewright.passes.netlist import Resources, least_latency, resources, total_resources

if TYPE_CHECKING:
    from gatewright.flow.design import Design

SAMPLES_FOR_RANGES = 20_000


def facts_of(design: Design) -> dict[str, Any]:
    """Return the facts; every hardware figure stands beside the word for how it was got."""
    types = infer(design.graph)
    device = design.options.device
    total = total_resources(design.module, device.family)
    return {
        "gatewright": __version__,
        "name": design.name,
        "model": _model(design, types),
        "device": {
            "name": device.name, "part": device.part, "family": device.family, "lut": device.lut,
            "ff": device.ff, "dsp": device.dsp, "bram": device.bram,
        },
        "clock": {"mhz": design.options.clock_mhz, "ns": design.options.clock_ns,
                  "delay_model": device.delay.source, "status": "estimated",
                  "fmax_mhz": round(design.slowest_path.fmax, 1), "fmax": design.timing,
                  "calibration": asdict(device.calibration) if device.calibration else None},
        "latency": {"cycles": design.latency, "ns": design.latency_ns,
                    "status": _cycle_status(design), **_contract(design)},
        "interval": {"cycles": design.interval, "status": _cycle_status(design)},
        "estimate": _counts(total) | {"status": "estimated"},
        "synthesis": _synthesis(design),
        "routing": asdict(design.routing) | {"status": "routed"} if design.routing else None,
        **design.own_facts(total),
        "tensors": _tensors(design, types),
        "tables": table_facts(design.graph, types),
        "forests": _forests(design, types),
        "quantization": design.facts_of_model.get("quantization"),
        "metrics": design.facts_of_model.get("metrics"),
        "import_check": design.facts_of_model.get("import_check"),
        "source_checks": design.facts_of_model.get("source_checks", []),
        "changed_files": design.facts_of_model.get("changed_files", []),
        "verification": design.verification.facts() if design.verification else None,
        "timings": {name: round(seconds, 4) for name, seconds in design.timings.items()},
        "host": {"python": platform.python_version(), "machine": platform.machine()},
        "command": design.facts_of_model.get("command", ""),
    }  # fmt: skip


def facts_of_circuit(design: Design, total: Resources) -> dict[str, Any]:
    """Return what is told of a circuit without streams: layers, plan, limits."""
    return {
        "layers": _layers(design),
        "plan": [
            {"layer": c.layer, "plan": str(c.plan), "products": c.products, "reason": c.reason}
            for c in design.planned.choices
        ],
        "budget": budget_facts(design, total),
        "stream": None,
        "state": [],
    }


def _cycle_status(design: Design) -> str:
    """Say whether cycles were counted in simulation, or only follow from the circuit."""
    return (
        "simulated" if design.verification and design.verification.verified else "from the circuit"
    )


def _contract(design: Design) -> dict[str, int]:
    """Return the latency that was asked for, if any, and the least that the clock allows."""
    asked = design.options.latency
    if asked is None:
        return {}
    clock = design.options.clock_for(design.circuit)
    return {"asked": asked, "least": least_latency(design.circuit, clock)}


def _model(design: Design, types: dict[str, Intervals]) -> dict[str, Any]:
    graph = design.graph
    return {
        "source": design.facts_of_model.get("source", ""),
        "facts": design.facts_of_model.get("model", {}),
        "operations": len(graph.nodes),
        "inputs": [
            {"name": i.name, "shape": list(i.shape), "format": describe(types[i.name]),
             "encode": [op.kind for op in i.encode]}
            for i in graph.inputs
        ],
        "outputs": [
            {"name": o.name, "shape": list(types[o.value].shape),
             "format": describe(types[o.value]), "decode": [op.kind for op in o.decode]}
            for o in graph.outputs
        ],
    }  # fmt: skip


def _forests(design: Design, types: dict[str, Intervals]) -> list[dict[str, Any]]:
    """Return what is told of forests; nothing where there are none."""
    before = design.facts_of_model.get("forests") or {}
    return forest_facts(design.graph, types, before)


def _synthesis(design: Design) -> dict[str, Any] | None:
    if design.synthesis is None:
        return None
    facts = asdict(design.synthesis)
    facts["status"] = "synthesised"
    return facts


def start_cycles(top: Module) -> dict[str, tuple[int, int]]:
    """Return for each instanced module the cycle its first input arrives and that of its output.

    Of a module that is used several times, the first cycle of all and the last.
    """
    time = [0] * len(top)
    found: dict[str, tuple[int, int]] = {}
    arrives: dict[int, int] = {}
    for s, kind in enumerate(top.kind):
        number = top.imm[s] >> 32 if kind == Kind.INSTANCE else NONE
        if number not in arrives:
            operands = [o for o in top.operands(s) if not top.is_constant(o) and o < s]
            latest = max((time[o] for o in operands), default=0)
            if number != NONE:
                arrives[number] = latest
        else:
            latest = arrives[number]
        if kind == Kind.REG:
            time[s] = (time[top.a[s]] if top.a[s] not in (NONE,) and top.a[s] < s else 0) + 1
        elif kind == Kind.INSTANCE:
            child = top.instances[top.imm[s] >> 32].module
            time[s] = latest + child.latency
            first, last = found.get(child.name, (latest, time[s]))
            found[child.name] = min(first, latest), max(last, time[s])
        else:
            time[s] = latest
    return found


def _counts(found: Resources) -> dict[str, Any]:
    """Return an estimate as synthesis names its counts; `lut` is all LUT sites."""
    return {"lut": round(found.lut), "ff": found.ff, "dsp": found.dsp, "bram": found.bram}


def _layers(design: Design) -> list[dict[str, Any]]:
    """Return the modules of the top level in order, the top's own logic last."""
    family = design.options.device.family
    own = resources(design.module, family)
    spans = start_cycles(design.module)
    groups = group_nodes(design.graph, design.planned.plans)
    operations = {g.layer: [node.op.kind for node in g.nodes] for g in groups if not g.is_wiring}
    uses = Counter(i.module for i in design.module.instances)
    synthesised = design.synthesis
    rows = []
    for module, times in uses.items():
        estimate = total_resources(module, family) * times
        begin, end = spans.get(module.name, (0, 0))
        row: dict[str, Any] = {
            "layer": module.origin, "module": module.name, "note": module.note,
            "operations": operations.get(module.origin, []),
            "begin": begin, "end": end, "latency": module.latency, "interval": module.interval,
            "instances": times,
            "estimate": _counts(estimate),
        }  # fmt: skip
        if synthesised and module.name in synthesised.modules:
            counts = synthesised.inclusive(module.name)
            row["synthesised"] = {
                "lut": counts.lut_sites * times,
                "ff": counts.ff * times,
                "dsp": counts.dsp * times,
                "bram": counts.bram * times,
            }
        rows.append(row)
    glue, _ = own[design.module.name]
    rows.append({
        "layer": "(top: wiring and alignment)", "module": design.module.name,
        "note": design.module.note,
        "operations": [], "begin": 0, "end": design.latency, "latency": design.latency,
        "interval": design.interval,
        "estimate": _counts(glue),
    })  # fmt: skip
    return rows


def _tensors(design: Design, types: dict[str, Intervals]) -> list[dict[str, Any]]:
    """Return every value's format beside what calibration data reached."""
    observed = _observed(design)
    nodes = {node.name: node for node in design.graph.nodes}
    rows = []
    for name, kind in types.items():
        node = nodes.get(name)
        where, operation = (node.layer, node.op.kind) if node else (name, "input")
        low, high = kind.low_value, kind.high_value
        row: dict[str, Any] = {
            "name": name, "layer": where, "operation": operation, "shape": list(kind.shape),
            "inputs": list(node.inputs) if node else [],
            "format": describe(kind),
            "bits": {"min": int(kind.width.min(initial=62)), "max": int(kind.width.max(initial=0)),
                     "mean": float(kind.width.mean()) if kind.size else 0.0},
            "low": float(low.min(initial=0)), "high": float(high.max(initial=0)),
            "frac": int(kind.frac.max(initial=-64)) if kind.size else 0,
        }  # fmt: skip
        if name in observed:
            row["observed_low"], row["observed_high"] = observed[name]
        rows.append(row)
    return rows


def _observed(design: Design) -> dict[str, tuple[float, float]]:
    """Return the least and greatest number of each value over calibration."""
    if not design.calibration:
        return {}
    inputs = {
        name: type(codes)(codes.q[:SAMPLES_FOR_RANGES], codes.frac)
        for name, codes in design.calibration.items()
    }
    values = evaluate(design.graph, inputs)
    return {
        name: (float(v.value.min()), float(v.value.max())) for name, v in values.items() if v.q.size
    }


def handover(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts that whoever receives the firmware wants on its first page.

    Only what the model and the options give: two compilations alike write the same page.
    """
    model, estimate = facts["model"], facts["estimate"]
    found = facts["metrics"] or {}
    rows = {
        "model": Path(model["source"]).name,
        "read as": ", ".join(f"{key} {value}" for key, value in model["facts"].items()),
        "resources, estimated": f"{estimate['lut']:,} LUT, {estimate['ff']:,} FF, "
        f"{estimate['dsp']:,} DSP",
        "clock, estimated": facts["clock"]["fmax"],
        "delay model": facts["clock"]["delay_model"],
    }
    if "accuracy_model" in found:
        rows["accuracy of the model"] = f"{found['accuracy_model']:.2%}"
        rows["accuracy of the firmware"] = (
            f"{found['accuracy_firmware']:.2%}, both on {found['samples']:,} calibration samples"
        )
    kept = dict.fromkeys(row["layer"] for row in facts["state"] if row["kept"])
    if kept:
        rows["state"] = (
            f"{', '.join(kept)}: kept from event to event, cleared by rst alone; the golden "
            "vectors are events one after another"
        )
    check = facts["import_check"]
    if facts["quantization"] is not None:
        rows["quantized"] = "from a float model, by Gatewright"
    elif check is not None:
        rows["import"] = f"{check['method']}: {check['status']}"
    return rows | {"command": facts["command"], "versions": f"Gatewright {facts['gatewright']}"}
