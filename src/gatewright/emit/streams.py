"""The hand-over of a design whose ports are streams: test bench, beats, page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from gatewright.base import DataError
from gatewright.emit.header import generator, safe
from gatewright.emit.project import assemble_project, fact_rows, port_rows
from gatewright.emit.testbench import template
from gatewright.emit.vectors import check_values, write_hex
from gatewright.emit.verilog import top_name
from gatewright.hw import Module
from gatewright.num import Intervals, Ints

DRAIN = 64


@dataclass(frozen=True, eq=False)
class StreamPort:
    """A stream of a design, as whoever connects it sees it.

    Attributes:
        name: its ports begin with, or end on, it.
        is_input: of the design.
        types: of the elements of a beat.
        shape: of the tensor that an event brings.
        pace: cycles from beat to beat on ports without `ready`; 0 on others.
    """

    name: str
    is_input: bool
    types: Intervals
    shape: tuple[int, ...]
    pace: int = 0

    @property
    def direction(self) -> str:
        """Seen from the design."""
        return "input" if self.is_input else "output"

    @property
    def elements(self) -> int:
        """Of a beat."""
        return int(self.types.width.size)

    @property
    def beats(self) -> int:
        """Of an event."""
        return -(-prod(self.shape) // self.elements)

    @property
    def bits(self) -> int:
        """Of a beat."""
        return int(self.types.width.sum())

    @property
    def last_bits(self) -> int:
        """Of an event's last beat that mean something."""
        used = prod(self.shape) - (self.beats - 1) * self.elements
        return int(self.types.width.ravel()[:used].sum())


@dataclass(frozen=True, eq=False)
class StreamPorts:
    """What the surroundings of a design have to know.

    Attributes:
        kind: `valid`, `stream` or `axi-stream`.
        streams: inputs, then outputs.
        latency: cycles from the first beat of an event to its last result.
        interval: cycles between events.
    """

    kind: str
    streams: tuple[StreamPort, ...]
    latency: int
    interval: int

    @property
    def inputs(self) -> list[StreamPort]:
        """Streams into the design."""
        return [s for s in self.streams if s.is_input]

    @property
    def outputs(self) -> list[StreamPort]:
        """Streams out of it."""
        return [s for s in self.streams if not s.is_input]


def emit_stream_project(
    top: Module,
    ports: StreamPorts,
    *,
    clock_ns: float,
    part: str,
    beats: Mapping[str, Ints],
    facts: Mapping[str, object] | None = None,
    others: Mapping[str, str] | None = None,
    rtl: Mapping[str, str],
) -> dict[str, str | bytes]:
    """Return everything that someone needs to use a design, as path to content.

    Args:
        top: the design.
        ports: its streams.
        clock_ns: clock period.
        part: part number for the scripts.
        beats: golden beats of whole events, integers (beats, elements) for each stream.
        facts: further rows for the page.
        others: files that the caller adds, with what they are, for the page's list.
        rtl: what `emit_verilog` returned for `top`.

    Raises:
        OptionError: an impossible clock or part.
        DataError: beats that do not fit the streams, or none.
    """
    events = count_events(ports, beats)
    vectors: dict[str, str | bytes] = {
        f"vectors/{s.name}.hex": write_hex({s.name: s.types}, {s.name: beats[s.name]})
        for s in ports.streams
    }
    told = {f"vectors/{s.name}.hex": f"golden beats of {s.name}" for s in ports.streams}

    def page(paths: Mapping[str, str]) -> str:
        return emit_stream_readme(top, ports, clock_ns, part, events, paths, facts or {})

    return assemble_project(
        top, clock_ns, part, rtl, emit_stream_testbench(top, ports, events), vectors, told,
        dict(others or {}), page,
    )  # fmt: skip


def count_events(ports: StreamPorts, beats: Mapping[str, Ints]) -> int:
    """Return the events whose beats are given.

    Raises:
        DataError: they do not fit the streams, or there is none.
    """
    counts = set()
    for s in ports.streams:
        rows = check_values({s.name: s.types}, {s.name: beats[s.name]})
        counts.add(rows / s.beats)
    if len(counts) != 1 or not float(next(iter(counts))).is_integer() or 0 in counts:
        raise DataError(
            "golden beats are not those of whole events",
            found=", ".join(f"{s.name}: {len(beats[s.name])}" for s in ports.streams),
            supported=", ".join(f"{s.name}: {s.beats} an event" for s in ports.streams),
        )
    return int(counts.pop())


def emit_stream_testbench(top: Module, ports: StreamPorts, events: int) -> dict[str, str]:
    """Write a test bench that reads `vectors/NAME.hex` of each stream, and checks every result.

    Args:
        top: the design.
        ports: its streams.
        events: whose beats the files hold.

    Returns:
        File name (`tb_<top>.v`) to text.
    """
    name = top_name(top)
    text = template("stream_testbench.v.jinja").render(
        top=name,
        kind=ports.kind,
        streams=ports.streams,
        inputs=ports.inputs,
        outputs=ports.outputs,
        events=events,
        latency=ports.latency,
        interval=ports.interval,
        drain=2 * ports.latency + DRAIN,
        patience=4 * (ports.latency + ports.interval) + 1000,
        pins="".join(f",\n    .{port}({signal})" for port, signal in _pins(ports)),
        noise=lambda bits: f"{{{-(-bits // 32)}{{random}}}}",
        generator=generator(),
    )
    return {f"tb_{name}.v": text}


def _pins(ports: StreamPorts) -> Sequence[tuple[str, str]]:
    """Return the design's ports and the signals of the test bench."""
    pins = []
    sides = ((ports.inputs, "in", "s_axis"), (ports.outputs, "out", "m_axis"))
    for streams, stem, axis in sides:
        for i, s in enumerate(streams):
            own, signal = f"{stem}{i}", s.name
            if ports.kind == "axi-stream":
                pins.append((f"{axis}_{signal}_tdata", _bytes(own, s)))
                ends = (("_tvalid", "_valid"), ("_tready", "_ready"), ("_tlast", "_last"))
                pins += [(f"{axis}_{signal}{a}", own + b) for a, b in ends]
                pins += [(f"{signal}_frame_error", f"{own}_error")] if s.is_input else []
                continue
            pins += [(f"{signal}_valid", f"{own}_valid"), (signal, own)]
            if ports.kind == "stream":
                pins.append((f"{signal}_ready", f"{own}_ready"))
            elif s.is_input:
                pins.append((f"{signal}_overrun", f"{own}_error"))
    return pins


def _bytes(signal: str, s: StreamPort) -> str:
    """Return what joins a stream's signal to its bytes."""
    pad = max(8, -(-s.bits // 8) * 8) - s.bits
    if not pad:
        return signal
    return f"{{{pad}'d0, {signal}}}" if s.is_input else f"{{{signal}_pad, {signal}}}"


def emit_stream_readme(
    top: Module,
    ports: StreamPorts,
    clock_ns: float,
    part: str,
    events: int,
    paths: Mapping[str, str],
    facts: Mapping[str, object],
) -> str:
    """Return the page that comes with a design."""
    return template("stream_readme.md.jinja").render(
        top=top_name(top),
        origin=safe(top.origin),
        kind=ports.kind,
        streams=[_row(s) for s in ports.streams],
        inputs=ports.inputs,
        ports=port_rows(top),
        latency=ports.latency,
        interval=ports.interval,
        clock_ns=clock_ns,
        part=part,
        events=events,
        paths=dict(paths),
        facts=fact_rows(facts),
        generator=generator(),
    )


def _row(s: StreamPort) -> dict[str, object]:
    shape = " x ".join(map(str, s.shape)) or "one number"
    fields = ("name", "direction", "beats", "elements", "bits", "last_bits")
    return {**{field: getattr(s, field) for field in fields}, "shape": shape}
