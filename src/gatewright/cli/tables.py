"""Tables of a design's facts, as people read them; each figure with the word for how it was got."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gatewright.base.errors import printable

Facts = Mapping[str, Any]
RESOURCES = ("lut", "ff", "dsp", "bram")
GOOD, BAD, WORD = "bold green", "bold red", "dim"


def number(value: float | None) -> str:
    """Return a count with thousands apart; nothing for one that is not known."""
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def percent(value: float | None) -> str:
    """Return a fraction in per cent."""
    return "" if value is None else f"{100 * value:.2f} %"


def seconds(value: float) -> str:
    """Return a duration."""
    return f"{value * 1e3:.0f} ms" if value < 0.1 else f"{value:.1f} s"


def cycles(count: int) -> str:
    """Return a number of cycles."""
    return f"{count} cycle" if count == 1 else f"{count:,} cycles"


def columns(title: str, names: Sequence[str], right: Sequence[str] = (), whole: int = 0) -> Table:
    """Return an empty table: numbers in the columns `right`, the first `whole` never folded."""
    look: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}
    table = Table(title=title, title_justify="left", title_style="bold", **look)
    for position, name in enumerate(names):
        justify: Any = "right" if name in right else "left"
        whole_line = position < whole or name in right
        table.add_column(name, justify=justify, overflow="fold", no_wrap=whole_line)
    return table


def row(table: Table, *cells: str | Text) -> None:
    """Add a row; control characters of hostile names are escaped."""
    table.add_row(*(c if isinstance(c, Text) else Text(printable(c, 400)) for c in cells))


def summary(facts: Facts, title: str) -> Table:
    """Return what a compilation gave: metric, latency, resources."""
    table = columns(title, ("figure", "value", "how it was got"))
    for line in [*imports(facts), *metrics(facts), *timing(facts), *totals(facts)]:
        row(table, *line)
    return table


def imports(facts: Facts) -> list[tuple[str, str, str]]:
    """Return what the import was compared with; that nothing could be run is said too."""
    found = [c for c in facts.get("source_checks") or () if c["vectors"]]
    lines = [
        ("import", f"agrees with {c['method']}",
         "; ".join(filter(None, (f"{c['vectors']:,} vectors", c.get("detail")))))
        for c in found
    ]  # fmt: skip
    own = facts.get("import_check") or {}
    if own.get("vectors"):
        lines.append(("import", f"{own['status']}: {own['method']}", f"{own['vectors']:,} vectors"))
    return lines or [("import", "not compared", "the source model cannot be run here")]


def metrics(facts: Facts) -> list[tuple[str, str, str]]:
    """Return accuracy where labels were given, else how far the firmware is from the model."""
    found = facts.get("metrics") or {}
    samples = f"{found.get('samples', 0):,} calibration samples"
    samples += f", {found['state']}" if "state" in found else ""
    lines = []
    if "accuracy_model" in found:
        lines.append(("accuracy of the model", percent(found["accuracy_model"]), samples))
        lines.append(("accuracy of the firmware", percent(found["accuracy_firmware"]), samples))
    elif "same_class" in found:
        lines.append(("same class as the model", percent(found["same_class"]), samples))
    if "relative_error" in found:
        lines.append(("relative output error", f"{found['relative_error']:.3g}", samples))
    return lines


def timing(facts: Facts) -> list[tuple[str, str, str]]:
    """Return latency and initiation interval."""
    latency, interval, clock = facts["latency"], facts["interval"], facts["clock"]
    ns = interval["cycles"] * clock["ns"]
    at = f"{latency['ns']:.4g} ns at {clock['mhz']:g} MHz"
    if "asked" in latency:
        at += f", as asked for (the circuit needs {latency['least']})"
    return [
        ("latency", f"{cycles(latency['cycles'])}, {at}", str(latency["status"])),
        ("II", f"{cycles(interval['cycles'])}, {ns:.4g} ns", str(interval["status"])),
        *reached(clock),
    ]


def reached(clock: Facts) -> list[tuple[str, str, str]]:
    """Return the clock that the slowest path allows, with the error that is known for it."""
    if "fmax_mhz" not in clock:
        return []
    found = clock["calibration"]
    if found is None:
        return [("fmax", f"{clock['fmax_mhz']:.0f} MHz", "estimated, not calibrated")]
    band = f"{100 * found['low']:+.0f} %/{100 * found['high']:+.0f} %"
    return [("fmax", f"{clock['fmax_mhz']:.0f} MHz ({band})",
             f"estimated; error of {found['points']} {found['source']}")]  # fmt: skip


def routed(facts: Facts) -> Text:
    """Say which clock place and route reached, beside the estimate."""
    found = facts["routing"]
    taken = found["lut"] - found["harness_lut"], found["ff"] - found["harness_ff"]
    share = 100 * found["lut"] / found["available"]["lut"]
    text = (
        f" routed: {found['fmax_mhz']:.1f} MHz for {facts['clock']['mhz']:g} MHz asked for "
        f"({facts['clock']['fmax']}); {number(taken[0])} LUT4, {number(taken[1])} FF, "
        f"{share:.0f} % of the part with the harness; seed {found['seed']}, {found['version']}, "
        f"{found['cpu_seconds']:.0f} CPU s"
    )
    return Text(printable(text, 600), WORD)


def totals(facts: Facts) -> list[tuple[str, str, str]]:
    """Return the design's resources: synthesised where that was done, else estimated."""
    device, estimate, synthesis = facts["device"], facts["estimate"], facts.get("synthesis")
    lines = []
    for kind in RESOURCES:
        counted = synthesised_total(synthesis).get(kind) if synthesis else estimate.get(kind)
        if counted is None:
            continue
        share = (
            f" ({100 * counted / device[kind]:.2f} % of {device['name']})" if device[kind] else ""
        )
        how = str(estimate["status"])
        if synthesis:
            how = how_synthesised(synthesis)
            how += f"; estimated {number(estimate[kind])}" if kind in estimate else ""
        lines.append((kind.upper(), number(counted) + share, how))
    return lines


def budget(facts: Facts) -> list[Table]:
    """Return what was looked at for the limits; nothing where the first plan fits the device."""
    found = facts.get("budget") or {"plans": ()}
    asked = found.get("max_luts_from") == "asked for" or found.get("max_dsps")
    asked = asked or found.get("max_latency") or found.get("max_brams") is not None
    if len(found["plans"]) < 2 and not asked and found.get("fits", True):
        return []
    names = ("plan", "LUT\nest.", "DSP\nest.", "cycles", "ns", "II", "limits")
    table = columns("Limits: " + limits(found), names, right=names[1:6])
    for plan in found["plans"]:
        over = plan["excess"]
        verdict = ", ".join(f"{number(by)} {OVER[what]} too many" for what, by in over.items())
        text = Text(verdict or "fits", BAD if over else GOOD)
        figures = (plan[k] for k in ("lut", "dsp", "cycles", "ns", "interval"))
        row(table, plan["plan"], *map(number, figures), text)
    return [table]


OVER = {"lut": "LUTs", "dsp": "DSPs", "bram": "BRAMs", "cycles": "cycles"}


def limits(found: Facts) -> str:
    """Return the limits on one line."""
    source = "" if found["max_luts_from"] == "asked for" else f" (all of {found['max_luts_from']})"
    parts = [f"{number(found['max_luts'])} LUTs{source}"]
    for what, name in (("max_dsps", "DSPs"), ("max_brams", "BRAMs")):
        parts += [f"{number(found[what])} {name}"] if found.get(what) is not None else []
    if found["max_latency"]:
        parts.append(f"{found['max_latency']} ({cycles(found['max_cycles'])})")
    return ", ".join(parts)


def synthesised_total(synthesis: Facts) -> dict[str, float]:
    """Return LUT sites, FF, DSP and BRAM of the whole design."""
    total = synthesis["total"]
    lut = total["lut"] + total["lutram"] + total["srl"]
    return {"lut": lut, "ff": total["ff"], "dsp": total["dsp"], "bram": total["bram"]}


def how_synthesised(synthesis: Facts) -> str:
    """Say which flow counted."""
    return f"synthesised, {synthesis['flow']} flow"


def steps(timings: Mapping[str, float]) -> Table:
    """Return the time of each step."""
    table = columns("Time", ("step", "time"), right=("time",))
    for name, took in timings.items():
        row(table, name, seconds(took))
    return table


def ledger(verification: Facts) -> Group:
    """Return what was compared with the integer reference, and what came out; then the details."""
    names = ("compared with the reference", "how", "vectors", "result", "time")
    table = columns("Verification", names, right=("vectors", "time"))
    styles, details = {"exact": GOOD, "proven": GOOD, "failed": BAD}, []
    for check in verification["checks"]:
        status = Text(check["status"], styles.get(check["status"], "yellow"))
        took = seconds(check["seconds"]) if check["seconds"] else ""
        row(table, check["subject"], check["method"], number(check["vectors"]), status, took)
        if detail := str(check["detail"]).partition("\n")[0]:
            details.append(Text(printable(f" {check['subject']}: {detail}", 600), WORD))
    return Group(table, *details, "")


def layers(facts: Facts) -> Table:
    """Return resources layer by layer, estimated and synthesised side by side."""
    synthesis = facts.get("synthesis")
    names = ["layer", "cycles", "LUT\nest.", "FF\nest.", "DSP\nest."]
    if synthesis:
        names += ["LUT", "FF", "DSP", "BRAM"]
    title = "Resources, est. = estimated" + (
        f"; others {how_synthesised(synthesis)}" if synthesis else ""
    )
    table = columns(title, names, right=names[1:])
    for entry in facts["layers"]:
        table_row(
            table, entry["layer"], entry["latency"], entry["estimate"], entry.get("synthesised")
        )
    counted = synthesised_total(synthesis) if synthesis else None
    table.add_section()
    table_row(table, "whole design", facts["latency"]["cycles"], facts["estimate"], counted)
    return table


def table_row(
    table: Table, name: str, latency: int, estimate: Facts, counted: Facts | None
) -> None:
    """Add a layer's row; figures that are not known stay empty."""
    cells = [number(estimate[kind]) for kind in ("lut", "ff", "dsp")]
    if len(table.columns) > 5:
        cells += [number((counted or {}).get(kind)) for kind in RESOURCES]
    row(table, name, number(latency), *cells)


def next_steps(*lines: tuple[str, str]) -> Group:
    """Return commands that may follow, with what they are for; each can be copied as one line."""
    commands = [line.replace("gatewright", program(), 1) for line, _ in lines]
    width = max(map(len, commands))
    texts = [
        Text.assemble(("  " + command.ljust(width), "cyan"), ("  # " + purpose, WORD))
        for command, (_, purpose) in zip(commands, lines, strict=True)
    ]
    for text in texts:
        text.no_wrap, text.overflow = True, "ignore"
    return Group(*texts)


def program() -> str:
    """Return how the user calls this program: by name, or by its path where it is not on PATH."""
    called = Path(sys.argv[0])
    if called.name != "gatewright" or shutil.which("gatewright"):
        return "gatewright"
    path = called.absolute()
    inside = path.is_relative_to(Path.cwd())
    return shlex.quote(os.path.relpath(path) if inside else str(path))
