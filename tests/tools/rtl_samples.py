"""Small hand-written Verilog designs for the tests of outside programs."""

from gatewright.tools.rtl import RtlDesign, RtlPort

HEAD = "input clk, input rst, input valid_in"


def design(top, text, inputs, outputs, extra=None):
    sources = {f"{top}.v": text, **(extra or {})}
    return RtlDesign(
        top,
        sources,
        tuple(RtlPort(name, width, True) for name, width in inputs),
        tuple(RtlPort(name, width, False) for name, width in outputs),
    )


def adder_pipeline():
    """Add four bytes in two registered levels: latency 2, II 1."""
    text = f"""module adder_pipeline({HEAD}, input [31:0] x,
  output valid_out, output reg [9:0] y);
  reg [1:0] v;
  reg [8:0] a, b;
  assign valid_out = v[1];
  always @(posedge clk) begin
    v <= rst ? 2'b00 : {{v[0], valid_in}};
    a <= {{1'b0, x[7:0]}} + {{1'b0, x[15:8]}};
    b <= {{1'b0, x[23:16]}} + {{1'b0, x[31:24]}};
    y <= {{1'b0, a}} + {{1'b0, b}};
  end
endmodule
"""
    return design("adder_pipeline", text, [("x", 32)], [("y", 10)])


def folded_mac(holds=True):
    """Multiply four nibble pairs one a cycle: II 4, latency 5. Without `holds` it reads x late."""
    operands = "held" if holds else "x"
    text = f"""module folded_mac({HEAD}, input [31:0] x, output reg valid_out,
  output reg [9:0] y);
  reg [31:0] held;
  reg [2:0] step;
  wire [31:0] from = {operands};
  wire [3:0] a = from[{{step[1:0], 3'b000}} +: 4];
  wire [3:0] b = from[{{step[1:0], 3'b100}} +: 4];
  wire [9:0] product = {{6'd0, a}} * {{6'd0, b}};
  always @(posedge clk) begin
    valid_out <= ~rst & (step == 3'd3);
    if (valid_in) held <= x;
    if (rst) step <= 3'd4;
    else if (valid_in) step <= 3'd0;
    else if (step < 3'd4) step <= step + 3'd1;
    y <= (step == 3'd0 ? 10'd0 : y) + product;
  end
endmodule
"""
    return design("folded_mac", text, [("x", 32)], [("y", 10)])


def wide():
    """Swap two wide ports and invert one, without a register: latency 0."""
    text = f"""module wide({HEAD}, input [299:0] a, input [64:0] b,
  output valid_out, output [64:0] p, output [299:0] q);
  assign valid_out = valid_in & ~rst;
  assign p = b;
  assign q = ~a;
endmodule
"""
    return design("wide", text, [("a", 300), ("b", 65)], [("p", 65), ("q", 300)])


def colliding(constant, top="twin"):
    """Add a constant in a sub-module that is called the same in each of these designs."""
    text = f"""module {top}({HEAD}, input [7:0] x, output reg valid_out, output [7:0] y);
  always @(posedge clk) valid_out <= valid_in & ~rst;
  stage s(.clk(clk), .x(x), .y(y));
endmodule
"""
    stage = f"""module stage(input clk, input [7:0] x, output reg [7:0] y);
  always @(posedge clk) y <= x + 8'd{constant};
endmodule
"""
    return design(top, text, [("x", 8)], [("y", 8)], {"stage.v": stage})


def with_valid(expression, top="faulty"):
    """Answer with `valid_out` as the given expression of `valid_in`, `v` (delayed) and `count`."""
    text = f"""module {top}({HEAD}, input [7:0] x, output valid_out, output reg [7:0] y);
  reg v;
  reg [7:0] count;
  assign valid_out = {expression};
  always @(posedge clk) begin
    v <= valid_in & ~rst;
    count <= rst ? 8'd0 : count + 8'd1;
    y <= x;
  end
endmodule
"""
    return design(top, text, [("x", 8)], [("y", 8)])


def memory():
    """Look a byte up in a table that is read from a file."""
    text = f"""module memory({HEAD}, input [3:0] x, output reg valid_out, output reg [7:0] y);
  reg [7:0] table_ [0:15];
  initial $readmemh("table.hex", table_);
  always @(posedge clk) begin
    valid_out <= valid_in & ~rst;
    y <= table_[x];
  end
endmodule
"""
    table = "\n".join(f"{(7 * i + 3) % 256:02x}" for i in range(16)) + "\n"
    return design("memory", text, [("x", 4)], [("y", 8)], {"table.hex": table})


def unreset():
    """Answer with a register that nothing but one rare input sets."""
    text = f"""module unreset({HEAD}, input [31:0] x, output reg valid_out, output [31:0] y);
  reg [31:0] kept;
  assign y = kept;
  always @(posedge clk) begin
    valid_out <= valid_in & ~rst;
    if (x == 32'd1 && valid_in && !rst) kept <= x;
  end
endmodule
"""
    return design("unreset", text, [("x", 32)], [("y", 32)])


def chain_of_shared():
    """Three stages with registers, each around a module without: both kinds are shared.

    `kept` is never set: it starts at random, in each copy.
    """
    text = f"""module chain({HEAD}, input [63:0] x, output valid_out, output [103:0] y);
  wire [255:0] at;
  wire [23:0] kept;
  reg [2:0] v;
  assign at[63:0] = x;
  assign y = {{kept, at[255:192] ^ at[191:128], at[7:0], at[199:192]}};
  assign valid_out = v[2];
  always @(posedge clk) v <= rst ? 3'd0 : {{v[1:0], valid_in}};
  genvar i;
  for (i = 0; i < 3; i = i + 1) begin : u
    stage u_stage (.clk(clk), .a(at[64*i +: 64]), .y(at[64*i + 64 +: 64]), .kept(kept[8*i +: 8]));
  end
endmodule
"""
    stage = """module stage(input clk, input [63:0] a, output reg [63:0] y, output reg [7:0] kept);
  wire [63:0] mixed;
  mix low (.a(a[31:0]), .b(a[63:32]), .y(mixed[31:0]));
  mix high (.a(a[63:32]), .b(mixed[31:0]), .y(mixed[63:32]));
  always @(posedge clk) begin
    y <= mixed;
    if (mixed == 64'd3 && a == 64'd9) kept <= a[7:0];
  end
endmodule
"""
    mix = """module mix(input [31:0] a, input [31:0] b, output [31:0] y);
  assign y = (a + {b[15:0], b[31:16]}) ^ {b[0], a[31:1]};
endmodule
"""
    return design("chain", text, [("x", 64)], [("y", 104)], {"stage.v": stage, "mix.v": mix})


BENCH = """`timescale 1ns/1ps
module bench;
  reg clk = 0, rst = 1, valid_in = 0;
  reg [31:0] x = 0;
  wire valid_out;
  wire [9:0] y;
  integer seen = 0, wrong = 0, i;
  adder_pipeline dut(.clk(clk), .rst(rst), .valid_in(valid_in), .x(x),
                     .valid_out(valid_out), .y(y));
  always #5 clk = ~clk;
  reg [7:0] golden [0:3];
  always @(negedge clk) if (valid_out) begin
    if (y !== {2'b00, golden[seen]}) wrong = wrong + 1;
    seen = seen + 1;
  end
  initial begin
    $readmemh("golden.hex", golden);
    repeat (4) @(negedge clk);
    rst = 0;
    for (i = 0; i < 4; i = i + 1) begin
      x = {24'h010203, 8'd0} + i; valid_in = 1;
      @(negedge clk);
    end
    valid_in = 0;
    repeat (6) @(negedge clk);
    if (seen == 4 && wrong == 0) $display("PASS: %0d outputs", seen);
    else FAILED
    $finish;
  end
endmodule
"""


def bench_sources(golden=(6, 7, 8, 9), failed='$display("FAIL: %0d wrong", wrong);'):
    """Return a self-checking test bench of the adder pipeline with its golden vectors."""
    return {
        **adder_pipeline().sources,
        "bench.v": BENCH.replace("FAILED", failed),
        "golden.hex": "".join(f"{value:02x}\n" for value in golden),
    }
