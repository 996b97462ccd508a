"""The object that hls4ml's converters return, over one of our designs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.base import UnsupportedError
from gatewright.flow import Design, compile
from gatewright.flow.host import as_inputs, encode
from gatewright.ir import Graph, evaluate

Floats = NDArray[np.float64]


class HlsModel:
    """A converted model: `compile`, `predict`, `trace`, `write`, `build`, in hls4ml's order.

    Attributes:
        graph: the model on integers, with the formats of its configuration.
        config: as it was given.
        output_dir: where `write` and `build` put the design.
        design: what `compile` made; None before.
    """

    def __init__(
        self,
        graph: Graph,
        traced: Mapping[str, str],
        config: Mapping[str, Any],
        output_dir: str | Path,
        options: Mapping[str, Any],
    ) -> None:
        self.graph = graph
        self.config = config
        self.output_dir = Path(output_dir)
        self.design: Design | None = None
        self._traced = dict(traced)
        self._options = dict(options)

    def get_layers(self) -> list[str]:
        """Return the names that a configuration and `trace` know."""
        return list(self._traced)

    def compile(self) -> None:
        """Build the circuit, its emulator and its Verilog, in memory.

        Raises:
            GatewrightError: the model cannot be built so; the message says what to change.
        """
        self.design = compile(self.graph, **self._options)

    @property
    def _compiled(self) -> Design:
        if self.design is None:
            self.compile()
        assert self.design is not None
        return self.design

    def predict(self, x: Any) -> Floats | list[Floats]:
        """Return the firmware's answers, bit for bit; a list where there are several outputs.

        Args:
            x: (samples, ...), or a list of arrays in the order of the model's inputs.
        """
        found = self._compiled.predict(self._by_name(x))
        return list(found.values()) if isinstance(found, Mapping) else found

    def trace(self, x: Any) -> tuple[Floats | list[Floats], dict[str, Floats]]:
        """Return the answers, and what every layer gives, by its name in the configuration."""
        codes = encode(self.graph, as_inputs(self.graph, self._by_name(x)))
        values = evaluate(self.graph, codes)
        traced = {name: values[value].value for name, value in self._traced.items()}
        return self.predict(x), traced

    def _by_name(self, x: Any) -> Any:
        """Return a list of inputs as a dictionary."""
        if isinstance(x, list | tuple):
            names = [i.name for i in self.graph.inputs]
            return dict(zip(names, x, strict=False)) if len(x) == len(names) else x
        return x

    def write(self) -> None:
        """Write the design to `output_dir`, in place of one that is there.

        Raises:
            FileError: it cannot be written, or holds something else.
        """
        self._compiled.save(self.output_dir, replace=True)

    def build(
        self,
        reset: bool = False,
        csim: bool = True,
        synth: bool = True,
        cosim: bool = False,
        validation: bool = False,
        export: bool = False,
        vsynth: bool = False,
        fifo_opt: bool = False,
    ) -> dict[str, Any]:
        """Verify and synthesise, and return a report under hls4ml's keys.

        Args:
            reset: accepted; nothing is kept from before.
            csim: accepted; the emulator is the circuit.
            synth: report latency, II and estimated resources.
            cosim: simulate the RTL and compare it with the model.
            validation: likewise.
            export: must be False: an IP is packaged by the vendor's tool from what `write` wrote.
            vsynth: synthesise with Yosys and report what it counts.
            fifo_opt: accepted for `io_stream`, whose FIFOs are the least already; else it must be
                False: a parallel design has no FIFO.

        Raises:
            UnsupportedError: `export` or `fifo_opt`.
            VerificationError: the RTL differs from the model.
        """
        streams = "ports" in self._options
        for name, asked in (("export", export), ("fifo_opt", fifo_opt and not streams)):
            if asked:
                raise UnsupportedError(
                    f"build({name}=True) is not done here",
                    supported="csim, synth, cosim, validation, vsynth",
                    remedy="take the Verilog and constraints that write() leaves in output_dir",
                )
        design = self._compiled
        if cosim or validation:
            design.verify()
        if vsynth:
            design.synthesize()
        self.write()
        return report_of(design) if synth else {}


def report_of(design: Design) -> dict[str, Any]:
    """Return a design's figures under hls4ml's keys; `status` says how each was got."""
    facts = design.facts()
    found, clock = facts["estimate"], facts["clock"]
    report = {
        "CSynthesisReport": {
            "TargetClockPeriod": f"{clock['ns']:.2f}",
            "EstimatedClockPeriod": f"{1e3 / clock['fmax_mhz']:.3f}",
            "BestLatency": str(design.latency),
            "WorstLatency": str(design.latency),
            "IntervalMin": str(design.interval),
            "IntervalMax": str(design.interval),
            "DSP": str(found["dsp"]),
            "FF": str(found["ff"]),
            "LUT": str(found["lut"]),
            "status": "estimated",
        }
    }
    if facts["synthesis"]:
        total = facts["synthesis"]["total"]
        report["VivadoSynthReport"] = {
            "LUT": str(total["lut"] + total["lutram"] + total["srl"]),
            "FF": str(total["ff"]),
            "BRAM_18K": str(total["bram"]),
            "DSP48E": str(total["dsp"]),
            "status": "synthesised by Yosys",
        }
    if design.verification is not None and design.verification.verified:
        report["CosimReport"] = {
            "RTL": "Verilog",
            "Status": "Pass",
            "LatencyMin": str(design.latency),
            "LatencyMax": str(design.latency),
            "IntervalMin": str(design.interval),
            "IntervalMax": str(design.interval),
            "status": "simulated",
        }
    return report
