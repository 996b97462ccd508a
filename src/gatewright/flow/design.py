"""A compiled design: what the user holds in hand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.arch import Path as SlowPath
from gatewright.arch import Planned, Tried, critical_path
from gatewright.emit import emit_project, emit_verilog, top_name
from gatewright.engine import Engine
from gatewright.flow.bound import check_bound
from gatewright.flow.emulator import FirstSamples
from gatewright.flow.encoder import encode_fast
from gatewright.flow.golden import (
    VECTORS,
    Golden,
    compare_golden,
    read_golden,
    read_golden_text,
    thinned,
)
from gatewright.flow.host import Data, answers, as_inputs, encode, input_vectors
from gatewright.flow.options import Options, check_count
from gatewright.flow.verify import (
    Codes,
    RtlRun,
    Verification,
    check_engine,
    check_netlist,
    check_rtl,
    numbers,
    reference,
    rtl_design,
    run_rtl,
    to_ports,
)
from gatewright.hw import Kind, Module
from gatewright.ir import Graph, evaluate, infer
from gatewright.num import FixedArray
from gatewright.passes.netlist import Resources, modules, total_resources, with_product_rows
from gatewright.tools.nextpnr import RoutingResult, route
from gatewright.tools.yosys import SynthesisResult, synthesize

Progress = Callable[[str, int, int], None]
"""Called with what is worked on, how much is done, how much there is."""


@dataclass(eq=False)
class Design:
    """A model turned into a circuit, with everything that was learnt on the way.

    Attributes:
        graph: the integer model; `evaluate` on it is the reference.
        netlist: the circuit before registers were placed (what the emulator compiles).
        circuit: the same with adder networks on unsigned codes: where registers are placed.
        module: the circuit with registers (what is emitted).
        options: clock, device, reuse factor, latency.
        planned: the plan of each operation that multiplies.
        tried: the plans that were looked at for the limits, this one the last that fits.
        calibration: encoded calibration inputs by input name, or nothing.
        facts_of_model: source, framework, import check, quantization: plain data for the report.
        timings: seconds of each step.
        sources: emitted Verilog by file name, as emitted or as read from disk.
        golden: stored golden vectors (inputs, outputs by port) of a design read from disk.
        golden_text: the same as the files say that the test bench plays.
    """

    graph: Graph
    netlist: Module
    circuit: Module
    module: Module
    options: Options
    planned: Planned
    tried: tuple[Tried, ...] = ()
    calibration: dict[str, FixedArray] = field(default_factory=dict)
    labels: np.ndarray | None = None
    facts_of_model: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    golden: Golden | None = None
    golden_text: Golden | None = None
    verification: Verification | None = None
    synthesis: SynthesisResult | None = None
    routing: RoutingResult | None = None
    progress: Progress | None = None

    # ---- what is known at once

    @property
    def model(self) -> Graph:
        """The integer model as it was read or quantized; what is built may keep more state."""
        return self.graph

    @property
    def name(self) -> str:
        """Name of the top module."""
        return top_name(self.module)

    @property
    def latency(self) -> int:
        """Cycles from an input to its output; what simulation counts."""
        return self.module.latency

    @property
    def interval(self) -> int:
        """Initiation interval (II): cycles between two inputs."""
        return self.module.interval

    @property
    def latency_ns(self) -> float:
        """Latency at the clock that was asked for."""
        return self.latency * self.options.clock_ns

    @property
    def is_folded(self) -> bool:
        """Whether multipliers are reused over several cycles."""
        return any(m.holds(Kind.REG) for m in modules(self.netlist))

    @cached_property
    def slowest_path(self) -> SlowPath:
        """The slowest path under the device's delays; its `fmax` is the estimated clock in MHz."""
        luts = total_resources(self.circuit).lut  # as registers were placed
        return critical_path(self.module, self.options.device.delay, luts)

    @property
    def timing(self) -> str:
        """The estimated clock and its error, for people."""
        return f"estimated fmax {self.options.device.fmax_text(self.slowest_path.fmax)}"

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how long a step takes."""
        start = time.perf_counter()
        yield
        self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - start

    # ---- computing

    @cached_property
    def engine(self) -> Engine | None:
        """The compiled emulator; None for a folded design, which the reference emulates."""
        if self.is_folded:
            return None
        with self.timed("compile emulator"):
            return Engine(self.netlist)

    def predict(self, x: Data, *, threads: int | None = None) -> np.ndarray | dict[str, np.ndarray]:
        """Return the model's answers as the firmware gives them, bit for bit.

        Args:
            x: real inputs of shape (samples, ...), or a dictionary of them by input name.
            threads: processors to use; by default all.

        Returns:
            An array, or a dictionary by output name where there are several.

        Raises:
            DataError: the data do not fit the model's inputs, or float64 cannot hold an answer.
        """
        return answers(self.graph, self.predict_codes(x, threads=threads))

    def predict_codes(self, x: Data, *, threads: int | None = None) -> dict[str, FixedArray]:
        """Return the integers that the firmware answers, with their binary points, by output name.

        Args:
            x: real inputs as for `predict`.
            threads: processors to use; by default all.

        Raises:
            DataError: the data do not fit the model's inputs.
        """
        check_count("number of threads", threads, least=1)
        if self.is_folded:
            values = evaluate(self.graph, encode(self.graph, as_inputs(self.graph, x)))
            return {o.name: values[o.value] for o in self.graph.outputs}
        ports = to_ports(self.graph, self.netlist, encode_fast(self.graph, x, threads))
        count = len(next(iter(ports.values())))
        ports["valid_in"] = np.ones((count, 1), np.int8)
        found = None
        if "engine" not in self.__dict__:  # not compiled yet
            found = self._first_samples.run(ports, count, threads)
        if found is None:
            assert self.engine is not None
            found = self.engine.run(ports, threads=threads)
        return numbers(self.graph, self.netlist, found, self._shapes)

    @cached_property
    def _first_samples(self) -> FirstSamples:
        return FirstSamples(self.netlist)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: kind.shape for name, kind in infer(self.graph).items()}

    def simulate(
        self, x: Data, *, gaps: np.ndarray | None = None
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Return the answers of the emitted RTL, run by Verilator.

        Args:
            x: real inputs as for `predict`.
            gaps: idle cycles before each sample, beyond those the interval asks for.
        """
        inputs = as_inputs(self.graph, x)
        ports = to_ports(self.graph, self.module, encode(self.graph, inputs))
        run = self.simulate_codes(ports, gaps)
        return answers(self.graph, numbers(self.graph, self.module, run.outputs, self._shapes))

    def simulate_codes(self, ports: Codes, gaps: np.ndarray | None = None) -> RtlRun:
        """Run the RTL on integers, port by port; see `simulate`."""
        count = len(next(iter(ports.values())))
        gaps = np.zeros(count, np.int64) if gaps is None else gaps
        with self.timed("simulate RTL"):
            return run_rtl(self.module, self._rtl, ports, gaps, self.progress)

    @property
    def _rtl(self) -> Any:
        return rtl_design(self.module, self.name, self.sources)

    # ---- proving

    def vectors(self, random: int = 1000, seed: int = 0) -> dict[str, FixedArray]:
        """Return what the design is verified on: calibration, corners, random codes."""
        return input_vectors(self.graph, self.calibration, random, seed)

    def verify(
        self, *, random: int = 1000, seed: int = 0, rtl: bool = True, prove: bool = False
    ) -> Verification:
        """Compare reference, netlist, emulator, simulated RTL and golden vectors.

        Args:
            random: random samples beside calibration and corner ones.
            seed: of the random samples and of the gaps in `valid`.
            rtl: also simulate the RTL; without, a design does not count as verified.
            prove: also prove each layer for every input, from the Verilog read back by Yosys; what
                cannot be proven is said in the ledger and is no error.

        Raises:
            VerificationError: two of them differ; the message says where.
            OptionError: a negative number of samples or seed.
            ToolError: Verilator or Yosys fails. A missing compiler is noted in the ledger instead.
        """
        check_count("number of random samples", random, least=0)
        check_count("seed", seed, least=0)
        with self.timed("verify"):
            vectors = self.vectors(random, seed)
            ports = to_ports(self.graph, self.module, vectors)
            wanted = reference(self.graph, self.module, vectors)
            checks = [
                check_netlist(self.netlist, ports, wanted),
                check_engine(self.engine, ports, wanted),
            ]
            bound = self.facts_of_model.get("bound")
            if bound is not None:
                checks.append(check_bound(bound, self.graph, vectors))
            if self.golden is not None:
                golden = self.golden, self.golden_text
                checks.append(compare_golden(self.graph, self.module, *golden))
            if rtl:
                checks.append(
                    check_rtl(
                        self.module, self._rtl, ports, wanted, seed=seed + 1, progress=self.progress
                    )
                )
            if prove:
                plans = self.planned.plans
                from gatewright.flow.prove import proof_checks  # no compilation needs it

                checks += proof_checks(self.graph, self.module, self.sources, plans, self.progress)
        self.verification = Verification(tuple(checks))
        self.verification.raise_if_failed()
        return self.verification

    def golden_vectors(self) -> tuple[Codes, Codes]:
        """Return the vectors written with the design: inputs and reference outputs by port."""
        chosen = thinned(self.vectors(random=VECTORS // 4), VECTORS)
        return to_ports(self.graph, self.module, chosen), reference(self.graph, self.module, chosen)

    def synthesize(
        self, *, flow: str = "full", nodsp: bool | None = None, flatten: bool = True
    ) -> SynthesisResult:
        """Synthesise with Yosys for the device's family; figures are kept per layer.

        Args:
            flow: `full` (`synth_xilinx` as it is), `fast` (abc in place of abc9) or `area` (abc
                with a script that saves lookup tables, and has longer paths).
            nodsp: keep all products out of DSP blocks; by default those that the plan puts into
                blocks go there, and no others.
            flatten: the total is that of the flat design; otherwise that of all modules, each by
                itself, which is quicker and no more optimistic.

        Raises:
            ToolError: Yosys is missing or fails.
        """
        with self.timed("synthesise"):
            self.synthesis = synthesize(
                self.sources,
                self.name,
                self.options.device.family,  # type: ignore[arg-type]
                flow=flow,  # type: ignore[arg-type]
                nodsp=self._nodsp(nodsp),
                flatten=flatten,
                progress=self.progress,
            )
        return self.synthesis

    def _nodsp(self, asked: bool | None) -> bool:
        return not total_resources(self.module).dsp if asked is None else asked

    def route(self, *, seed: int = 1, nodsp: bool | None = None) -> RoutingResult:
        """Place and route with nextpnr for an ECP5 device: a clock that was found, not estimated.

        Args:
            seed: of the placement; clocks vary with it by about 7 %.
            nodsp: as for `synthesize`.

        Raises:
            OptionError: the device is no ECP5.
            ToolError: Yosys or nextpnr is missing or fails, or the design is too large.
        """
        with self.timed("place and route"):
            self.routing = route(
                self._rtl,
                self.options.device.part,
                target_mhz=min(self.options.clock_mhz, 1000.0),
                seed=seed,
                nodsp=self._nodsp(nodsp),
                progress=self.progress,
            )
        return self.routing

    # ---- telling

    def facts(self) -> dict[str, Any]:
        """Return everything the report says, as plain data."""
        from gatewright.flow.facts import facts_of

        return facts_of(self)

    def own_facts(self, total: Resources) -> dict[str, Any]:
        """Return the facts that depend on how the design is built; `total` is what it takes."""
        from gatewright.flow.facts import facts_of_circuit

        return facts_of_circuit(self, total)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the report: one HTML page that needs nothing else, and the same facts as JSON.

        Args:
            path: the page, `*.html`; the facts stand beside it with the ending `.json`.

        Raises:
            FileError: it cannot be written, or its facts would replace a file of a design.
        """
        from gatewright.flow.atomic import write_atomically
        from gatewright.flow.store import check_report
        from gatewright.report import render

        path = check_report(Path(path))
        facts = self.facts()
        write_atomically(path, render(facts).encode())
        write_atomically(path.with_suffix(".json"), json.dumps(facts, indent=1).encode())
        return path

    def save(self, folder: str | Path, *, replace: bool = False) -> Path:
        """Write RTL, test bench, golden vectors, constraints, scripts and the model.

        Raises:
            FileError: the folder is in use by something else, or cannot be written. Nothing is
                left half-written.
        """
        from gatewright.flow.store import save

        with self.timed("write"):
            return save(self, Path(folder), replace)

    def hand_over(
        self,
        inputs: Codes,
        outputs: Codes,
        facts: Mapping[str, object],
        others: Mapping[str, str],
    ) -> dict[str, str | bytes]:
        """Return the files for whoever receives the firmware, by path.

        Args:
            inputs: golden inputs by port.
            outputs: golden outputs by port.
            facts: rows for the page.
            others: files that stand beside these, with what they are.
        """
        return emit_project(
            self.module,
            clock_ns=self.options.clock_ns,
            part=self.options.device.part,
            inputs=inputs,
            outputs=outputs,
            facts=facts,
            others=others,
            rtl=self.sources,
        )

    def read_golden(self, folder: Path) -> tuple[Golden, Golden]:
        """Read the golden vectors beside a saved design, and their text for the test bench.

        Raises:
            FileError: a file is damaged.
        """
        return read_golden(folder, self.module), read_golden_text(folder, self.module)

    def plan_description(self) -> dict[str, Any] | None:
        """Return what a saved design has to keep of its plan beside the options."""
        return None

    def emit(self) -> dict[str, str]:
        """Return the emitted Verilog by file name."""
        self.sources = emit_verilog(with_product_rows(self.module))
        return self.sources
