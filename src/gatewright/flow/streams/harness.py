"""Verilog around a design whose ports are no streams with `ready`, to be simulated as if they were.

Of ports without `ready`, inputs are always ready. Of AXI4-Stream, the harness makes `tlast` for the
inputs; on the outputs two bits stand above the data: `tlast`, and whether a frame was refused.
Weights are left alone, or written by AXI4-Lite behind reset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatewright.blocks.weight_ports import SLAVE
from gatewright.hw import Packing
from gatewright.num import Ints
from gatewright.passes.streams import Port
from gatewright.tools.rtl import RtlPort

SUFFIX = "_with_ready"
WRITE_CYCLES = 12
"""Cycles that a write takes at most here."""
MARKS = 2
"""Bits above the data on an output behind AXI4-Stream ports."""


@dataclass(frozen=True)
class Harness:
    """What the simulator sees in place of the top.

    Attributes:
        top: name of the module.
        text: its Verilog; empty where the design's own top will do.
        inputs, outputs: its streams.
    """

    top: str
    text: str
    inputs: tuple[RtlPort, ...]
    outputs: tuple[RtlPort, ...]


def harness(
    kind: str,
    top: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    idle: Mapping[str, int] | None = None,
    writes: Ints | None = None,
) -> Harness:
    """Return what to put around a top.

    Args:
        kind: of its ports; see `Options.ports`.
        top: its name.
        inputs: its streams.
        outputs: likewise.
        idle: other input ports, which stay 0, and their bits.
        writes: (writes, 2) address and data that the AXI4-Lite slave gets behind reset.
    """
    marks = MARKS if kind == "axi-stream" else 0
    ins = tuple(RtlPort(p.name, Packing.of(p.types).bits, True) for p in inputs)
    outs = tuple(RtlPort(p.name, Packing.of(p.types).bits + marks, False) for p in outputs)
    if kind == "stream" and not idle:
        return Harness(top, "", ins, outs)
    pins, body = [".clk(clk)", ".rst(rst)"], list[str]()
    if writes is not None:
        assert idle is not None, "there is a slave"
        _writer(writes, pins, body)
        bits = idle[f"{SLAVE}_awaddr"]
        pins.append(f".{SLAVE}_awaddr(load_word[{31 + bits}:32])")
    written = {pin.partition("(")[0] for pin in pins}
    pins += [
        f".{name}({bits}'d0)" for name, bits in (idle or {}).items() if f".{name}" not in written
    ]
    for port, stream in zip((*ins, *outs), (*inputs, *outputs), strict=True):
        if kind == "stream":
            pins += [f".{port.name}{end}({port.name}{end})" for end in ("", "_valid", "_ready")]
        elif kind == "valid":
            pins += [f".{port.name}_valid({port.name}_valid)", f".{port.name}({port.name})"]
            body += [f"  assign {port.name}_ready = 1'b1;"] if port.is_input else []
        elif port.is_input:
            _slave(port, stream.beats, pins, body)
        else:
            _master(port, [p.name for p in ins], pins, body)
    heads = ["input wire clk", "input wire rst"]
    for port in (*ins, *outs):
        forth, back = ("input", "output") if port.is_input else ("output", "input")
        heads += [f"{forth} wire {port.name}_valid", f"{back} wire {port.name}_ready",
                  f"{forth} wire [{port.width - 1}:0] {port.name}"]  # fmt: skip
    name = top + SUFFIX
    lines = [f"module {name} (", ",\n".join(f"  {head}" for head in heads), ");", *body]
    lines += [f"  {top} dut (", ",\n".join(f"    {pin}" for pin in pins), "  );", "endmodule", ""]
    return Harness(name, "\n".join(lines), ins, outs)


def _writer(writes: Ints, pins: list[str], body: list[str]) -> None:
    """Connect the AXI4-Lite slave to a master that makes some writes, one after the other."""
    count = len(writes)
    body += [
        f"  reg [63:0] load_words [0:{max(count - 1, 0)}];",
        "  reg [31:0] load_count;",
        "  reg load_address_sent, load_data_sent;",
        "  wire load_awready, load_wready, load_bvalid;",
        f"  wire load_more = load_count < 32'd{count} && !rst;",
        "  wire load_awvalid = load_more && !load_address_sent;",
        "  wire load_wvalid = load_more && !load_data_sent;",
        "  wire [63:0] load_word = load_words[load_more ? load_count : 32'd0];",
        "  initial begin",
        *(f"    load_words[{i}] = 64'h{4 * a:08x}{d:08x};" for i, (a, d) in
          enumerate(writes.tolist())),
        "  end",
        "  always @(posedge clk)",
        "    if (rst || load_bvalid) begin",
        "      load_count <= rst ? 32'd0 : load_count + 32'd1;",
        "      load_address_sent <= 1'b0;",
        "      load_data_sent <= 1'b0;",
        "    end else begin",
        "      if (load_awready && load_awvalid) load_address_sent <= 1'b1;",
        "      if (load_wready && load_wvalid) load_data_sent <= 1'b1;",
        "    end",
    ]  # fmt: skip
    ports = {
        "awvalid": "load_awvalid", "awready": "load_awready", "wdata": "load_word[31:0]",
        "wvalid": "load_wvalid", "wready": "load_wready", "wstrb": "4'hf",
        "bvalid": "load_bvalid", "bready": "1'b1",
    }  # fmt: skip
    pins += [f".{SLAVE}_{name}({signal})" for name, signal in ports.items()]


def _slave(port: RtlPort, beats: int, pins: list[str], body: list[str]) -> None:
    """Connect an AXI4-Stream input, with a counter of the beats of an event."""
    n, width = port.name, max(8, -(-port.width // 8) * 8)
    pad = width - port.width
    data = f"{{{pad}'d0, {n}}}" if pad else n
    body += [
        f"  reg [31:0] {n}_beats;",
        f"  wire {n}_error;",
        f"  wire {n}_last = {n}_beats == 32'd{beats - 1};",
        "  always @(posedge clk)",
        f"    if (rst) {n}_beats <= 32'd0;",
        f"    else if ({n}_valid && {n}_ready) {n}_beats <= {n}_last ? 32'd0 : {n}_beats + 32'd1;",
    ]
    pins += [
        f".s_axis_{n}_tdata({data})", f".s_axis_{n}_tvalid({n}_valid)",
        f".s_axis_{n}_tready({n}_ready)", f".s_axis_{n}_tlast({n}_last)",
        f".{n}_frame_error({n}_error)",
    ]  # fmt: skip


def _master(port: RtlPort, inputs: Sequence[str], pins: list[str], body: list[str]) -> None:
    """Connect an AXI4-Stream output, with its marks above the data."""
    n, bits = port.name, port.width - MARKS
    width = max(8, -(-bits // 8) * 8)
    errors = " | ".join(f"{name}_error" for name in inputs)
    body += [
        f"  wire [{width - 1}:0] {n}_data;",
        f"  wire {n}_last;",
        f"  assign {n} = {{{errors}, {n}_last, {n}_data[{bits - 1}:0]}};",
    ]
    pins += [
        f".m_axis_{n}_tdata({n}_data)", f".m_axis_{n}_tvalid({n}_valid)",
        f".m_axis_{n}_tready({n}_ready)", f".m_axis_{n}_tlast({n}_last)",
    ]  # fmt: skip
