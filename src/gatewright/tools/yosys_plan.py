"""Decide which modules are synthesised on their own, and deal them out to processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatewright.base.errors import ToolError

# A repeated module smaller than this (wire bits, all copies but one) goes into its parent: what
# synthesis gains across the border is worth more than the time.
SMALL_BITS = 2_000
_SCRIPTABLE = re.compile(r"[\\$\w'=,.-]+", re.ASCII)


@dataclass(frozen=True)
class Hierarchy:
    r"""Hold the elaborated modules by Yosys's names (`\name`, `$paramod...`).

    `children` maps a module to its instances' modules and their number, `bits` to its own wire
    bits, a measure of its size.
    """

    top: str
    children: dict[str, dict[str, int]]
    bits: dict[str, int]

    def instances(self, kept: frozenset[str] | None = None) -> dict[str, int]:
        """Return how often each module exists in the whole design, parents before children."""
        counts = {self.top: 1}
        for name in self.order():
            for child, number in self.children[name].items():
                counts[child] = counts.get(child, 0) + counts.get(name, 0) * number
        return counts if kept is None else {n: c for n, c in counts.items() if n in kept}

    def order(self) -> list[str]:
        """Return the modules below the top, parents before children."""
        done: list[str] = []
        seen: set[str] = set()
        stack = [(self.top, False)]
        while stack:
            name, leave = stack.pop()
            if leave:
                done.append(name)
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack.extend((child, False) for child in self.children[name])
        return done[::-1]


def hierarchy_of(statistics: Mapping[str, Any], top: str) -> Hierarchy:
    """Read `stat -json` of an elaborated design whose top is `top`.

    Raises `ToolError` for a module whose (escaped) name would mean something else in a script.
    """
    modules = statistics["modules"]
    odd = [name for name in modules if not _SCRIPTABLE.fullmatch(name)]
    if odd:
        raise ToolError(
            "a Verilog module has a name that a Yosys script cannot hold",
            found=odd[0],
            supported="letters, digits, '_' and '$'",
            remedy="rename the module",
        )
    children: dict[str, dict[str, int]] = {}
    for name, facts in modules.items():
        cells = {_internal(kind): int(n) for kind, n in facts["num_cells_by_type"].items()}
        children[name] = {kind: n for kind, n in cells.items() if kind in modules}
    bits = {name: int(facts["num_wire_bits"]) for name, facts in modules.items()}
    return Hierarchy(f"\\{top}", children, bits)


def _internal(cell: str) -> str:
    """Return the name under which `stat` lists a module, from the name that it gives a cell."""
    return cell if cell.startswith(("$", "\\")) else f"\\{cell}"


def units(hierarchy: Hierarchy) -> list[str]:
    """Return the modules to synthesise on their own.

    They are the top, its children (of a top that is nothing but ports around one module, also the
    children of that), and what repeats and is big. Every other module is flattened into its
    parents.
    """
    flat: dict[str, int] = {}
    for name in reversed(hierarchy.order()):
        inside = sum(flat[child] * n for child, n in hierarchy.children[name].items())
        flat[name] = hierarchy.bits[name] + inside
    layers = dict(hierarchy.children[hierarchy.top])
    if list(layers.values()) == [1]:
        layers |= hierarchy.children[next(iter(layers))]
    counts = hierarchy.instances()
    return [
        name
        for name in hierarchy.order()
        if name == hierarchy.top or name in layers or (counts[name] - 1) * flat[name] > SMALL_BITS
    ]


def unit_tree(hierarchy: Hierarchy, kept: frozenset[str]) -> dict[str, dict[str, int]]:
    """Return, for each kept module, the kept modules inside it and how often."""
    inside: dict[str, dict[str, int]] = {}
    for name in reversed(hierarchy.order()):
        found: dict[str, int] = {}
        for child, number in hierarchy.children[name].items():
            parts = {child: 1} if child in kept else inside[child]
            for part, times in parts.items():
                found[part] = found.get(part, 0) + times * number
        inside[name] = found
    return {name: inside[name] for name in hierarchy.order() if name in kept}


def deal(names: list[str], bits: Mapping[str, int], groups: int) -> list[list[str]]:
    """Deal modules out to at most `groups` processes of about the same load."""
    shares: list[list[str]] = [[] for _ in range(min(groups, len(names)))]
    loads = [0] * len(shares)
    for name in sorted(names, key=lambda n: (-bits[n], n)):
        least = loads.index(min(loads))
        shares[least].append(name)
        loads[least] += bits[name]
    return shares


def readable(name: str) -> str:
    r"""Return a module's name for people: `\mac` is `mac`, a parameterised one `mac(W=8)`."""
    if name.startswith("\\"):
        return name[1:]
    hashed = re.fullmatch(r"\$paramod\$([0-9a-f]{8})[0-9a-f]*\\(.+)", name)
    if hashed:
        return f"{hashed[2]}(#{hashed[1]})"
    parts = name.split("\\")
    if parts[0] == "$paramod" and len(parts) > 1:
        return f"{parts[1]}({', '.join(_parameter(part) for part in parts[2:])})"
    return name


def _parameter(text: str) -> str:
    """Shorten `W=s32'00..01000` to `W=8`."""
    match = re.fullmatch(r"(\w+)=(s?)(\d+)'([01]+)", text)
    if not match:
        return text
    value = int(match[4], 2)
    if match[2] and match[4][0] == "1":
        value -= 1 << len(match[4])
    return f"{match[1]}={value}"


SOFT = "chtype -set $__soft_mul a:use_dsp=no %ci1 t:$mul %i"
"""Makes Yosys leave products to the LUTs whose wire has `use_dsp` = no: it does not read that
attribute, but puts no cell of the type `$__soft_mul` into a DSP block."""


_SMALLEST = "dch,-f;if,-a,-C,16;mfs2,-a"
AREA = f"strash;ifraig;{_SMALLEST};strash;{_SMALLEST}"
"""What abc does in the flow for area, twice: look for equivalent forms, cover the logic with as few
lookup tables as it finds, however deep, and drop inputs and tables that are not needed.
`abc -script +...` reads a comma as a blank."""


def ecp5(options: str, nodsp: bool, flow: str = "full") -> list[str]:
    """Return the commands that map a design to Lattice ECP5."""
    if nodsp:
        options += " -nodsp"
    if flow == "area":
        start = [f"synth_ecp5 {options} -run begin:map_luts"]
        end = [f"abc -lut 4:7 -script +{AREA}", "clean", f"synth_ecp5 {options} -run map_cells:"]
    else:
        start, end = [f"synth_ecp5 {options}"], []
    if nodsp:
        return [*start, *end]
    last = "map_luts" if flow == "area" else ""
    return [
        f"synth_ecp5 {options} -run begin:coarse",
        "proc",
        "flatten",
        "opt_clean",
        SOFT,
        f"synth_ecp5 {options} -run coarse:{last}",
        *end,
    ]


APART = "setattr -mod -unset keep_hierarchy A:keep_hierarchy"
JOINED = (APART, "flatten", "clean")
"""Makes one module of a design whose source keeps modules apart while they are mapped."""


CHAINS = (
    "setattr -set keep 1 t:$add %x:+[Y] t:$sub %x:+[Y] %u w:* %i",
    "setattr -unset keep w:*",
)
"""Set in front of `alumacc` and taken back behind it: Yosys then leaves trees of sums apart, each
on a carry chain of a LUT a bit. It joins them to compressors of two LUTs a bit otherwise."""


def mapping(family: str, flow: str, nodsp: bool, chains: bool = False) -> list[str]:
    """Return the commands that map a design to a family.

    For Xilinx the fast flow is `synth_xilinx` up to its step `map_luts`, and that step with
    `abc -luts` where the full one has abc9. The flow for area has abc's script `AREA` there, with
    functions of seven and eight bits as two and four tables and the multiplexers beside them, which
    the full flow has as well. Without `nodsp`, products go where `use_dsp` on their
    wire says (`SOFT`). With `chains`, every sum is a carry chain (Xilinx only).
    """
    if family == "ecp5":
        return ecp5("-noabc9" if flow == "fast" else "", nodsp, flow)
    options = f"-family {family} -flatten -noiopad -noclkbuf" + (" -nodsp" if nodsp else "")
    last = "" if flow == "full" else "map_luts"
    stops = [("begin", "map_dsp", SOFT)] if not nodsp else []
    if chains:
        stops += [
            (stops[-1][1] if stops else "begin", "coarse", CHAINS[0]),
            ("coarse", "map_memory", CHAINS[1]),
        ]
    runs = []
    for start, stop, command in stops:
        runs += [f"synth_xilinx {options} -run {start}:{stop}", command]
    if stops:
        runs.append(f"synth_xilinx {options} -run {stops[-1][1]}:{last}")
    else:
        runs.append(f"synth_xilinx {options}" + (f" -run begin:{last}" if last else ""))
    if flow == "full":
        return runs
    return [
        *runs,
        "opt_expr -mux_undef -noclkinv",
        f"abc -luts 6:1,2,4 -script +{AREA}" if flow == "area" else "abc -luts 2:2,3,6:5",
        "clean",
        "xilinx_srl -fixed -minlen 3",
        "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
        "xilinx_dffopt",
        "opt_lut_ins -tech xilinx",
        "clean",
        "hierarchy -check",
    ]
