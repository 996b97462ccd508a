"""A compiled design on streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gatewright.arch import Path as SlowPath
from gatewright.arch import Planned, critical_path
from gatewright.arch.planner import Choice
from gatewright.arch.ready import slowest_ready
from gatewright.emit.streams import StreamPort, StreamPorts, emit_stream_project
from gatewright.engine import Engine
from gatewright.flow.bound import check_bound
from gatewright.flow.design import Design, Progress
from gatewright.flow.golden import Golden, thinned
from gatewright.flow.host import Data, answers
from gatewright.flow.options import Options, check_count
from gatewright.flow.streams.circuit import StreamCircuit
from gatewright.flow.streams.facts import layer_rows, plan_rows, stream_facts
from gatewright.flow.streams.golden import (
    VECTORS,
    compare_golden,
    golden_beats,
    golden_count,
    read_golden,
)
from gatewright.flow.streams.limits import StreamNeed, budget_facts
from gatewright.flow.streams.maps import REGISTERS, loaded_is_not_saved, register_text
from gatewright.flow.streams.plans import PLAN, plan_entries, plan_text
from gatewright.flow.streams.reference import evaluate_outputs
from gatewright.flow.streams.simulate import (
    Beats,
    StreamRun,
    answers_of,
    beats_of,
    rtl_design,
    run_rtl,
)
from gatewright.flow.streams.state import Session, encoded, state_rows
from gatewright.flow.streams.verify import (
    affordable,
    check_network,
    check_rtl,
    emulator_line,
    proof_line,
    reference,
    unwritten_line,
)
from gatewright.flow.verify import Codes, Verification
from gatewright.ir import Graph
from gatewright.num import FixedArray, Ints
from gatewright.ops import Forest
from gatewright.passes.netlist import Resources, total_resources
from gatewright.passes.streams import (
    Loaded,
    held_words,
    load_forest,
    load_weights,
    register_rows,
    register_table,
)
from gatewright.tools.rtl import RtlDesign


@dataclass(eq=False)
class StreamDesign(Design):
    """A model turned into a network of actors.

    Attributes:
        stream: the network, its plan, its cycles.
        stateless: the integer model, where `graph` keeps more state than it: layers of `graph` go
            on from event to event.
        writes: (writes, 2) address and data that the hardware is given before the first event,
            where the weights are not those that it has at power-up; see `load_weights`.
    """

    stream: StreamCircuit = None  # type: ignore[assignment]
    stateless: Graph | None = None
    writes: Ints | None = None

    @classmethod
    def of(
        cls, graph: Graph, circuit: StreamCircuit, options: Options, timings: dict[str, float],
        progress: Progress | None,
    ) -> StreamDesign:  # fmt: skip
        """Make a design of a network."""
        m = circuit.module
        rows = ((c.node, c.layer, c.plan, c.multipliers, c.reason) for c in circuit.planned.choices)
        planned = Planned(circuit.planned.plans, tuple(Choice(*row) for row in rows))
        return cls(
            graph, m, m, m, options, planned, timings=timings, progress=progress,
            stream=circuit,
        )  # fmt: skip

    @property
    def model(self) -> Graph:
        """The integer model, each event of which begins with the initial state."""
        return self.graph if self.stateless is None else self.stateless

    @property
    def is_folded(self) -> bool:
        """Whether operators are reused over several cycles."""
        return True

    @cached_property
    def engine(self) -> Engine | None:
        """None: the reference emulates a design on streams."""
        return None

    @cached_property
    def slowest_path(self) -> SlowPath:
        """The slowest path under the device's delays; its `fmax` is the estimated clock in MHz."""
        luts = total_resources(self.module).lut
        found = critical_path(self.module, self.options.device.delay, luts)
        model = self.options.device.delay.sized(luts)
        ready, actor = slowest_ready(self.stream.network, model)
        if ready + model.register <= found.period:
            return found
        return SlowPath(ready + model.register, found.terms, f"ready of {actor}")

    # ---- computing

    def predict(
        self, x: Data, *, threads: int | None = None, lengths: ArrayLike | None = None
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Return the model's answers as the firmware gives them, bit for bit.

        Args:
            x: real inputs of shape (samples, ...), or a dictionary of them by input name.
            threads: no meaning here; the reference uses what NumPy uses.
            lengths: steps of each event where they vary; rows beyond are not looked at.

        Returns:
            An array, or a dictionary by output name where there are several.

        Raises:
            DataError: the data do not fit the model's inputs, or float64 cannot hold an answer.
        """
        return answers(self.graph, self.predict_codes(x, threads=threads, lengths=lengths))

    def predict_codes(
        self, x: Data, *, threads: int | None = None, lengths: ArrayLike | None = None
    ) -> dict[str, FixedArray]:
        """Return the integers that the firmware answers, with their binary points, by output name.

        Where layers keep their state, samples are events in the order of time, the first one behind
        a reset; `session` goes on from call to call.

        Args:
            x: real inputs as for `predict`.
            threads: no meaning here; the reference uses what NumPy uses.
            lengths: as for `predict`.

        Raises:
            DataError: the data do not fit the model's inputs.
        """
        check_count("number of threads", threads, least=1)
        return evaluate_outputs(self.graph, encoded(self.graph, self.model, x, lengths))

    def session(self) -> Session:
        """Return an emulator that goes on from call to call, as the circuit does until a reset.

        `predict`, `simulate` and `verify` begin with a reset each.
        """
        return Session(self.graph, self.model)

    def simulate(
        self, x: Data, *, gaps: np.ndarray | None = None, lengths: ArrayLike | None = None
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Return the answers of the emitted RTL, run by Verilator.

        Args:
            x: real inputs as for `predict`.
            gaps: idle cycles before each sample, beyond those that the ports ask for.
            lengths: as for `predict`.
        """
        inputs = encoded(self.graph, self.model, x, lengths)
        beats = beats_of(self.stream, inputs)
        run = self.simulate_beats(beats, gaps)
        found = answers_of(self.stream, run)
        return answers(self.graph, {o.name: found[o.value] for o in self.graph.outputs})

    def simulate_beats(self, beats: Beats, gaps: np.ndarray | None = None) -> StreamRun:
        """Run the RTL on beats, port by port; see `simulate`."""
        waits = {}
        for port in self.stream.inputs:
            rows = np.zeros(len(beats[port.name]), np.int64)
            if gaps is not None:
                rows[:: port.beats] = gaps
            waits[port.name] = rows
        with self.timed("simulate RTL"):
            return run_rtl(self.stream, self._rtl, beats, waits, None, self.progress, self._written)

    @property
    def _written(self) -> int:
        """Words that the hardware is given before the first event."""
        return 0 if self.writes is None else len(self.writes)

    @property
    def _rtl(self) -> RtlDesign:
        return rtl_design(self.stream, self.name, self.sources, self.writes)

    def own_facts(self, total: Resources) -> dict[str, Any]:
        """Return the facts of layers, plan, limits, actors and FIFOs."""
        tried = list(self.stream.tried)
        planned = self.stream.planned.interval
        need = tried[-1] if tried else StreamNeed.of(self.module, self.options, planned)
        return {
            "state": state_rows(self.graph),
            "layers": layer_rows(self),
            "plan": plan_rows(self),
            "budget": budget_facts(need, tried, self.options),
            "stream": stream_facts(self),
        }

    # ---- weights that can be written

    def load_weights(
        self, layer: str, weight: np.ndarray, bias: np.ndarray | None = None
    ) -> tuple[StreamDesign, Ints]:
        """Return the design with other weights in a layer, and what brings them into hardware.

        The design that is returned predicts, simulates and verifies with these weights: the
        simulated RTL is the same, and gets them by its AXI4-Lite slave before the first event. This
        design itself stays as it is.

        Args:
            layer: name of the layer, or of the node of the integer model.
            weight: numbers of the format in the hardware: (n_in, n_out), of a convolution the
                kernel's positions and channels by filters; (groups, n_in, n_out); the values of a
                table, (inputs,) in rising order or (rows, features).
            bias: likewise; None keeps the one there is. A table has none.

        Returns:
            The design, and (writes, 2) integers, address and 32 bits of data of each; at the
            AXI4-Lite slave the address times 4.

        Raises:
            OptionError: the weights of this layer cannot be written.
            ModelError: shapes or numbers do not fit.
        """
        loaded = load_weights(self.graph, self.stream.registers, layer, weight, bias)
        model = self.stateless
        if model is not None:
            model = load_weights(model, self.stream.registers, layer, weight, bias).graph
        return self._with(loaded, model)

    def load_forest(self, layer: str, forest: Forest | Graph | Design) -> tuple[StreamDesign, Ints]:
        """Return the design with another forest in a layer, and what brings it into hardware.

        As `load_weights`: the design that is returned predicts, simulates and verifies with it.

        Args:
            layer: name of the layer, or of the node of the integer model.
            forest: a design that was compiled with the same formats (`input_format`, and `formats`
                of the leaves) or its integer model, or a forest alone, whose leaves are numbers of
                the format in the hardware. With a design or a model, what the host makes of the
                sums is its own, too.

        Returns:
            The design, and the writes; see `load_weights`.

        Raises:
            OptionError: the forest of this layer cannot be written, or what is given is none.
            ModelError: the forest does not fit: trees, levels, nodes, outputs or formats.
        """
        other, own = forest.graph if isinstance(forest, Design) else forest, self.stream.registers
        model = self.stateless
        if model is not None:
            model = load_forest(model, own, layer, other).graph
        return self._with(load_forest(self.graph, own, layer, other), model)

    def _with(self, loaded: Loaded, stateless: Graph | None = None) -> tuple[StreamDesign, Ints]:
        """Return this design with what was loaded, and the writes that bring it in."""
        before = np.zeros((0, 2), np.int64) if self.writes is None else self.writes
        writes = np.concatenate([before, loaded.writes])
        last = len(writes) - 1 - np.unique(writes[::-1, 0], return_index=True)[1]
        other = replace(
            self, graph=loaded.graph, stateless=stateless, verification=None, golden=None,
            golden_text=None, writes=writes[last],
        )  # fmt: skip
        return other, loaded.writes

    @property
    def register_words(self) -> Ints:
        """What every register holds with the weights of this design, (words, 2): address, data."""
        return held_words(self.graph, self.stream.registers)

    @property
    def register_rows(self) -> list[dict[str, Any]]:
        """The address map of weights that can be written, as plain data; see `register_table`."""
        return register_rows(self.stream.registers)

    @property
    def register_table(self) -> str:
        """The address map of weights that can be written; empty where there are none."""
        return register_table(self.stream.registers) if self.stream.registers else ""

    # ---- proving

    def verify(
        self, *, random: int = 1000, seed: int = 0, rtl: bool = True, prove: bool = False
    ) -> Verification:
        """Compare reference, cells, simulated RTL (also under random stalls) and golden beats.

        As many samples are simulated as time allows, at least two, spread over all.

        Args:
            random: random samples beside calibration and corner ones.
            seed: of the random samples and of the stalls.
            rtl: also simulate the RTL; without, a design does not count as verified.
            prove: say that actors are not proven: the proof speaks of circuits without state.

        Raises:
            VerificationError: two of them differ; the message says where.
            OptionError: a negative number of samples or seed.
            ToolError: Verilator fails. A missing compiler is noted in the ledger instead.
        """
        check_count("number of random samples", random, least=0)
        check_count("seed", seed, least=0)
        with self.timed("verify"):
            most = affordable(self.stream, self.sources)
            vectors = thinned(self.vectors(random, seed), most)
            wanted = reference(self.graph, self.stream, vectors)
            first = (
                unwritten_line(self._written)
                if self._written
                else check_network(self.stream, vectors, wanted, seed + 1)
            )
            checks = [first, emulator_line()]
            bound = self.facts_of_model.get("bound")
            if bound is not None:
                checks.append(check_bound(bound, self.graph, self.vectors(random, seed)))
            if self.golden is not None and self.golden_text is not None:
                golden = self.golden, self.golden_text
                checks.append(compare_golden(self.graph, self.stream, *golden))
            if rtl:
                checks += check_rtl(
                    self.stream, self._rtl, vectors, wanted, seed + 1, self.progress,
                    self._written,
                )  # fmt: skip
            checks += [proof_line()] if prove else []
        self.verification = Verification(tuple(checks))
        self.verification.raise_if_failed()
        return self.verification

    def golden_vectors(self) -> tuple[Codes, Codes]:
        """Return the vectors written with the design: beats by input and by output port.

        Raises:
            OptionError: the design's weights are not those of its RTL at power-up.
        """
        if self._written:
            raise loaded_is_not_saved(self.name, self._written)
        vectors = thinned(self.vectors(random=VECTORS), golden_count(self.stream))
        return beats_of(self.stream, vectors), golden_beats(self.graph, self.stream, vectors)

    # ---- keeping

    @property
    def stream_ports(self) -> StreamPorts:
        """What the surroundings of the design have to know."""
        circuit = self.stream
        streams = [
            StreamPort(p.name, is_input, p.types, p.shape, circuit.pace.get(p.name, 0))
            for ports, is_input in ((circuit.inputs, True), (circuit.outputs, False))
            for p in ports
        ]
        return StreamPorts(circuit.ports, tuple(streams), self.latency, self.interval)

    def hand_over(
        self,
        inputs: Codes,
        outputs: Codes,
        facts: Mapping[str, object],
        others: Mapping[str, str],
    ) -> dict[str, str | bytes]:
        """Return the files for whoever receives the firmware, by path; see `Design.hand_over`."""
        maps = {REGISTERS: register_text(self.register_rows)} if self.stream.registers else {}
        files = emit_stream_project(
            self.module,
            self.stream_ports,
            clock_ns=self.options.clock_ns,
            part=self.options.device.part,
            beats={**inputs, **outputs},
            facts=facts,
            others={
                PLAN: "the plan, to be edited and given to `gatewright compile --plan`",
                **({REGISTERS: "the address map of weights that can be written"} if maps else {}),
                **others,
            },
            rtl=self.sources,
        )
        return {**files, PLAN: self.plan_text(), **maps}

    def plan_text(self) -> str:
        """Return the text of the plan file: what was built, to be edited and read back."""
        told = {
            "model": self.name, "device": self.options.device.name,
            "clock_mhz": self.options.clock_mhz, "interval": self.interval,
            "latency": self.latency,
        }  # fmt: skip
        return plan_text(self.graph, self.stream.planned, self.stream.beats, told)

    def read_golden(self, folder: Path) -> tuple[Golden, Golden]:
        """Read the golden beats beside a saved design, and their texts for the test bench.

        Raises:
            FileError: a file is damaged.
        """
        return read_golden(folder, self.stream)

    def plan_description(self) -> dict[str, Any] | None:
        """Return what a saved design has to keep of its plan beside the options."""
        planned = self.stream.planned
        return {
            "interval": planned.interval,
            "plans": plan_entries(planned, self.stream.beats),
            "reasons": {c.node: c.reason for c in planned.choices},
            "depths": self.stream.network.depths,
        }
