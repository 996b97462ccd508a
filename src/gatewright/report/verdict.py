"""The verdict and the figures that stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.report.text import THIN, number, one_line, percent, plural, rate, share

STATUSES: dict[str, str] = {
    "simulated": "counted in a simulation of the emitted Verilog",
    "synthesised": "counted after synthesis by Yosys for the device's family, out of context",
    "routed": "taken from a placed and routed design",
    "estimated": "computed from the circuit with a model of the device, without a vendor's tool",
    "from the circuit": "follows from the registers of the circuit; not counted in simulation yet",
    "measured": "computed on data, by the float model and by the firmware's bit-exact emulator",
}
"""The words for how a figure was got, and what each means."""


@dataclass(frozen=True)
class Reading:
    """One number with its unit and the word for how it was got.

    Attributes:
        value: the number as printed.
        unit: what it counts.
        status: one of `STATUSES`.
        share: which part of the device that is, as printed.
        fill: the same as a fraction of 1, for the bar.
    """

    value: str
    unit: str
    status: str
    share: str = ""
    fill: float = 0.0


@dataclass(frozen=True)
class Tile:
    """A headline figure: the best known reading first; `missing` says why there is none."""

    label: str
    readings: tuple[Reading, ...]
    missing: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the page answers first: `state` is `exact`, `open` or `failed`."""

    state: str
    headline: str
    reasons: tuple[str, ...]


def verdict_of(facts: Mapping[str, Any]) -> Verdict:
    """Return the verdict; only simulated RTL without any mismatch is called bit-exact."""
    verification = facts.get("verification")
    if not verification:
        return Verdict(
            "open", "Not verified: nothing has been compared yet",
            ("Run `gatewright verify` on the design's folder, or `Design.verify()`.",),
        )  # fmt: skip
    checks = verification["checks"]
    failed = [c for c in checks if c["status"] == "failed"]
    if failed:
        places = ", ".join(dict.fromkeys(str(c["subject"]) for c in failed))
        return Verdict(
            "failed", f"FAILED: {places}", tuple(f"{c['subject']}: {c['detail']}" for c in failed)
        )
    rtl = [c for c in checks if c["subject"] == "simulated RTL"]
    exact = [c for c in rtl if c["status"] == "exact"]
    if verification["verified"] and exact:
        return _exact(checks, sum(int(c["vectors"]) for c in exact))
    why = [one_line(c["detail"]) for c in rtl if c["status"] == "not run"]
    passed = [c["subject"] for c in checks if c["status"] == "exact"]
    reasons = (*why, f"Compared and equal so far: {', '.join(passed) or 'nothing'}.")
    return Verdict("open", "Not verified: the RTL was not simulated", reasons)


def _exact(checks: list[Mapping[str, Any]], vectors: int) -> Verdict:
    proofs = [c for c in checks if c["status"] in ("proven", "not proven")]
    others = [c for c in checks if c["subject"] != "simulated RTL" and c not in proofs]
    equal = [f"{c['subject']} ({int(c['vectors']):,})" for c in others if c["status"] == "exact"]
    skipped = [str(c["subject"]) for c in others if c["status"] != "exact"]
    reasons = ["The emitted Verilog gave the integers of the reference model on every vector."]
    if equal:
        reasons.append(f"Equal too, on as many vectors as stated: {', '.join(equal)}.")
    if skipped:
        reasons.append(f"Not compared: {', '.join(skipped)}; see the ledger.")
    reasons += _of_proofs(proofs)
    return Verdict(
        "exact", f"Bit-exact: {vectors:,} / {vectors:,} in simulated RTL", tuple(reasons)
    )


def _of_proofs(proofs: list[Mapping[str, Any]]) -> list[str]:
    """Say what is proven for every input, and what is not."""
    if not proofs:
        return []
    rest = [str(c["subject"]) for c in proofs if c["status"] != "proven"]
    if not rest:
        return ["Proven for every input, from the emitted Verilog read back."]
    done = len(proofs) - len(rest)
    return [f"Proven for every input: {done} of {len(proofs)} modules; not {', '.join(rest)}."]


def tiles_of(facts: Mapping[str, Any]) -> list[Tile]:
    """Return the headline figures in order."""
    resources = [_resource(facts, kind) for kind in ("lut", "ff", "dsp", "bram")]
    return [_latency(facts), _interval(facts), *resources, *_accuracy(facts)]


def _latency(facts: Mapping[str, Any]) -> Tile:
    latency, clock = facts["latency"], facts["clock"]
    cycles = int(latency["cycles"])
    return Tile("Latency", (
        Reading(number(cycles), "cycle" if cycles == 1 else "cycles", latency["status"]),
        Reading(f"{latency['ns']:.1f}", "ns", clock["status"]),
    ))  # fmt: skip


def _interval(facts: Mapping[str, Any]) -> Tile:
    interval, clock = facts["interval"], facts["clock"]
    cycles = int(interval["cycles"])
    per_second = 1e6 * clock["mhz"] / max(cycles, 1)
    return Tile("Initiation interval", (
        Reading(number(cycles), "cycle" if cycles == 1 else "cycles", interval["status"]),
        Reading(rate(per_second), "inferences/s", clock["status"]),
    ))  # fmt: skip


def counts_of(found: Mapping[str, Any]) -> dict[str, float]:
    """Return synthesis's counts; `lut` is all LUT sites: logic, memory, shift registers."""
    sites = found["lut"] + found.get("lutram", 0) + found.get("srl", 0)
    return {"lut": sites, "ff": found["ff"], "dsp": found["dsp"], "bram": found["bram"]}


def synthesised_total(facts: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the counts of the whole design after synthesis; None before it."""
    synthesis = facts.get("synthesis")
    if not synthesis:
        return None
    return counts_of(synthesis["total"])


def _resource(facts: Mapping[str, Any], kind: str) -> Tile:
    available = facts["device"].get(kind)
    counts = [(synthesised_total(facts), (facts.get("synthesis") or {}).get("status", "")),
              (facts.get("estimate"), "estimated")]  # fmt: skip
    readings = [
        Reading(number(found[kind]), "", str(status), share(found[kind], available),
                min(1.0, found[kind] / available) if available else 0.0)
        for found, status in counts if found and found.get(kind) is not None
    ]  # fmt: skip
    return Tile(kind.upper(), tuple(readings), "" if readings else "counted by synthesis only")


def _accuracy(facts: Mapping[str, Any]) -> list[Tile]:
    metrics = facts.get("metrics") or {}
    samples = plural(int(metrics.get("samples", 0)), "sample")
    if "accuracy_firmware" in metrics:
        return [Tile("Accuracy", (
            Reading(percent(metrics["accuracy_firmware"]), "firmware", "measured"),
            Reading(percent(metrics["accuracy_model"]), "float model", "measured"),
        ))]  # fmt: skip
    if "same_class" in metrics:
        return [Tile("Same class as the model", (
            Reading(percent(metrics["same_class"]), f"of {samples}", "measured"),
        ))]  # fmt: skip
    if "relative_error" in metrics:
        return [Tile("Error of the output", (
            Reading(percent(metrics["relative_error"]), "of its size, rms", "measured"),
        ))]  # fmt: skip
    return []


def clock_text(facts: Mapping[str, Any]) -> str:
    """Return the clock that was asked for."""
    clock = facts["clock"]
    return f"{clock['mhz']:.4g}{THIN}MHz ({clock['ns']:.4g}{THIN}ns)"
