"""Where everything comes from: versions, part, delay model, command, plan, times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import THIN, full, number, one_line, plural, seconds
from gatewright.report.verdict import clock_text


@dataclass(frozen=True)
class Step:
    """A step of the way: its duration and its part of the longest."""

    name: str
    duration: str
    fill: float


def steps_of(facts: Mapping[str, Any]) -> list[Step]:
    """Return the steps in the order they were done; no sum, as one may lie within another."""
    timings = {str(k): float(v) for k, v in (facts.get("timings") or {}).items()}
    longest = max(timings.values(), default=0.0) or 1.0
    return [Step(name, seconds(value), value / longest) for name, value in timings.items()]


def provenance_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return rows of the table: what, and its value."""
    device, host = facts["device"], facts.get("host") or {}
    model = facts.get("model") or {}
    told: Mapping[str, Any] = model.get("facts") or {}
    rows = [
        ("Model", full(model.get("source") or "not stored")),
        *((f"Model: {one_line(k)}", full(_plain(v))) for k, v in told.items()),
        ("Gatewright", str(facts.get("gatewright", "unknown"))),
        ("Python", f"{host.get('python', 'unknown')} on {host.get('machine', 'unknown')}"),
        ("Device", f"{device['name']}, part {device['part']}, family {device['family']}"),
        ("Clock asked for", clock_text(facts)),
        *_latency(facts),
        ("Clock reached", str(facts["clock"].get("fmax", "not estimated"))),
        ("Delay model", str(facts["clock"].get("delay_model", "unknown"))),
        *_limits(facts),
    ]
    return rows + _synthesis(facts) + _routing(facts)


def _latency(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the latency that the design was padded to."""
    latency = facts["latency"]
    if "asked" not in latency:
        return []
    text = f"{latency['asked']} cycles; the circuit needs {latency['least']}"
    return [("Latency asked for", text)]


def _limits(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the limits, and every plan that was looked at for them."""
    found = facts.get("budget")
    if not found:
        return []
    asked = [f"{number(found['max_luts'])} LUT ({found['max_luts_from']})"]
    for what, name in (("max_dsps", "DSP"), ("max_brams", "BRAM")):
        asked += [f"{number(found[what])} {name}"] if found.get(what) is not None else []
    if found["max_latency"]:
        asked.append(f"latency {found['max_latency']}")
    rows = [("Limits, on estimates", ", ".join(asked))]
    for plan in found["plans"]:
        over = [f"{number(by)} {what} too many" for what, by in plan["excess"].items()]
        takes = f"{number(plan['lut'])} LUT, {number(plan['dsp'])} DSP, {plan['cycles']} cycles"
        takes += f", {number(plan['bram'])} BRAM" if plan.get("bram") else ""
        fits = "; ".join(over) or "fits"
        rows.append((f"Plan: {plan['plan']}", f"{takes}, II = {plan['interval']}: {fits}"))
    return rows + ([("DSP blocks", str(found["note"]))] if found.get("note") else [])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return number(value) if isinstance(value, int | float) else str(value)


def _synthesis(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    synthesis = facts.get("synthesis")
    if not synthesis:
        return [("Synthesis", "not run")]
    version = one_line(synthesis.get("version", "unknown version"))
    tool = version if version.lower().startswith("yosys") else f"Yosys {version}"
    dsp = "kept out of DSP blocks (-nodsp)" if synthesis.get("nodsp") else "may use DSP blocks"
    spent = f"{seconds(float(synthesis.get('cpu_seconds', 0.0)))} of processor time"
    cached = "; taken from the cache" if synthesis.get("cached") else ""
    return [
        ("Synthesis", f"{tool}, family {synthesis.get('family')}, flow {synthesis.get('flow')}"),
        ("Synthesis: products", dsp),
        ("Synthesis: method", f"{synthesis.get('method')}; {spent}{cached}"),
    ]


def _routing(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    routing = facts.get("routing")
    if not routing:
        return []
    clock = f"{float(routing['fmax_mhz']):.1f}{THIN}MHz routed, seed {routing['seed']}"
    aim = f"placed for {float(routing['target_mhz']):.4g}{THIN}MHz"
    used = f"{number(routing['lut'])} LUT and {number(routing['ff'])} FF, harness included"
    return [("Place and route", f"{clock}, {aim}; {used}; {one_line(routing['version'])}")]


def interface_of(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the inputs and outputs: name, shape, format, what the host does."""
    model = facts.get("model") or {}
    rows = []
    for direction, work in (("inputs", "encode"), ("outputs", "decode")):
        for port in model.get(direction) or ():
            on_host = ", ".join(map(str, port.get(work) or ()))
            row = {
                "direction": direction[:-1],
                "name": str(port["name"]),
                "shape": " \u00d7 ".join(map(str, port["shape"])) or "scalar",
                "format": str(port["format"]),
                "host": on_host or "nothing: the numbers as they are",
            }
            rows.append(row)
    return rows


def plan_of(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the plan's rows as printed."""
    return [
        {
            "layer": str(row["layer"]),
            "plan": str(row["plan"]),
            "products": number(row.get("products")),
            "reason": str(row.get("reason") or ""),
        }
        for row in facts.get("plan") or ()
    ]


def common_reason(plan: list[dict[str, str]]) -> str:
    """Return the reason that all rows of the plan share; empty where they differ."""
    reasons = {row["reason"] for row in plan}
    return reasons.pop() if len(reasons) == 1 else ""


def operations(facts: Mapping[str, Any]) -> str:
    """Return how many operations the model has."""
    return plural(int((facts.get("model") or {}).get("operations", 0)), "operation")
