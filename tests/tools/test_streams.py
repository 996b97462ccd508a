"""Streams in Verilator: the same beats in the same cycles as in the plain interpreter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stream_modules as modules
from have_tools import needs_simulation

from gatewright.base import DataError, OptionError, VerificationError
from gatewright.emit import emit_verilog
from gatewright.emit.verilog import top_name
from gatewright.hw import random_ready, run_streams, stream_names
from gatewright.num import Intervals
from gatewright.streams import OUTSIDE, Link, Network, assemble
from gatewright.streams.width import narrow, widen
from gatewright.tools.streams import (
    StreamStimulus,
    pack_beats,
    simulate_streams,
    stream_design,
    unpack_beats,
)
from gatewright.tools.verilator import lint, simulate

pytestmark = needs_simulation


def network():
    """Cut beats and join them again: actors with FIFOs between them, which hold memories."""
    wide, thin = (Intervals.of([-128] * n, [127] * n, 0) for n in (6, 2))
    actors = narrow("cut", wide, 3, 4), widen("join", thin, 3, 12)
    links = (
        Link((OUTSIDE, "x"), (0, "x"), wide, 4, 2),
        Link((0, "y"), (1, "x"), thin, 12, 4),
        Link((1, "y"), (OUTSIDE, "y"), wide, 4, 0),
    )
    return assemble(Network("network", actors, links, ("x",), ("y",)), 0, 0)


MODULES = {
    "network": network(),
    "skid": modules.skid(),
    "wide": modules.skid(30),
    "adder": modules.adder(),
    "decimator": modules.decimator(),
    "sticks": modules.wrong("sticks"),
    "spills": modules.wrong("spills"),
    "drops": modules.wrong("drops"),
    "changes": modules.wrong("changes"),
    "waits": modules.wrong("waits"),
}
WRONG = ("drops", "changes", "waits")
BEATS = 48
EXPECTED = {"decimator": BEATS // 3}


def described(module):
    return stream_design(module, top_name(module), emit_verilog(module))


DESIGNS = {name: described(module) for name, module in MODULES.items()}


def plan(name, seed, stalls):
    """Return beats, expected numbers and how the surroundings behave."""
    module, rng = MODULES[name], np.random.default_rng(seed)
    ins, outs = stream_names(module)
    beats = {}
    for port in ins:
        kinds = module.intervals(module.inputs[port])
        beats[port] = rng.integers(kinds.lo, kinds.hi + 1, (BEATS, len(kinds.lo)))
    expected = dict.fromkeys(outs, EXPECTED.get(name, BEATS))
    if not stalls:
        return beats, expected, {}
    gaps = {port: rng.integers(0, 3, BEATS) for port in ins[-1:]}
    ready = {port: random_ready(0.4, seed + i) for i, port in enumerate(outs)}
    return beats, expected, {"gaps": gaps, "ready": ready}


def stimulus(name, seed=0, stalls=True):
    beats, expected, options = plan(name, seed, stalls)
    return StreamStimulus(pack_beats(MODULES[name], beats), expected, **options)


CASES = [(name, stalls) for name in MODULES for stalls in (False, True) if name not in WRONG]


@pytest.fixture(scope="module")
def batch():
    """Simulate all right modules in one build; return the responses by case."""
    shown = []
    responses = simulate_streams(
        [DESIGNS[name] for name, _ in CASES],
        [stimulus(name, stalls=stalls) for name, stalls in CASES],
        patience=300,
        progress=lambda *facts: shown.append(facts),
    )
    assert shown[-1] == ("simulate", len(CASES), len(CASES))
    return dict(zip(CASES, responses, strict=True))


@pytest.mark.parametrize(("name", "stalls"), CASES)
def test_beats_and_cycles_are_the_interpreters(batch, name, stalls):
    beats, expected, options = plan(name, 0, stalls)
    wanted = run_streams(MODULES[name], beats, expected, patience=300, **options)
    seen = batch[name, stalls]
    found = unpack_beats(MODULES[name], seen.beats)
    if name != "spills":  # what it gives at first is what its register held before reset
        for port, values in wanted.outputs.items():
            np.testing.assert_array_equal(found[port], values)
    for port, cycles in wanted.output_cycle.items():
        np.testing.assert_array_equal(seen.output_cycle[port], cycles)
    for port, cycles in wanted.accept_cycle.items():
        np.testing.assert_array_equal(seen.accept_cycle[port], cycles)
    assert (seen.cycles, seen.deadlock) == (wanted.cycles, wanted.deadlock)


def test_a_deadlock_is_reported_and_spurious_beats_show(batch):
    stuck = batch["sticks", False]
    assert stuck.deadlock.startswith("input x: 9 of 48 beats taken; output y: 9 of 48")
    assert len(batch["spills", False].beats["y"]) == BEATS + 65


def test_modules_translated_once_answer_as_copies_do(batch):
    design = DESIGNS["network"]
    names = tuple(file[:-2] for file in design.sources if file != "network.v")
    (seen,) = simulate_streams([replace(design, shared=names)], [stimulus("network")])
    copies = batch["network", True]
    np.testing.assert_array_equal(seen.beats["y"], copies.beats["y"])
    np.testing.assert_array_equal(seen.output_cycle["y"], copies.output_cycle["y"])
    np.testing.assert_array_equal(seen.accept_cycle["x"], copies.accept_cycle["x"])


def test_patience_is_not_for_what_the_surroundings_do():
    """A long gap and long stalls are no deadlock, whatever the patience."""
    good = stimulus("skid", stalls=False)
    gaps, ready = {"x": np.zeros(BEATS, np.int64)}, {"y": np.arange(30) == 29}
    gaps["x"][1] = 90
    slow = StreamStimulus(good.beats, good.expected, gaps, ready)
    (seen,) = simulate_streams([DESIGNS["skid"]], [slow], patience=5, drain=3)
    assert seen.deadlock == ""
    np.testing.assert_array_equal(seen.beats["y"], good.beats["x"])


def test_the_emitted_text_is_clean_and_described():
    lint(DESIGNS["skid"])
    ports = DESIGNS["decimator"].outputs
    assert [(p.name, p.width) for p in ports] == [("y", 5), ("z", 0)]
    assert "x_ready" in DESIGNS["decimator"].port_names
    assert "valid_in" not in DESIGNS["decimator"].port_names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("drops", "output stream 'y' breaks the protocol: valid falls before the beat is taken"),
        ("changes", "output stream 'y' breaks the protocol: the data change before the beat is"),
        ("waits", "output stream 'y' breaks the protocol: valid waits for ready"),
    ],
)
def test_a_broken_promise_wrong(name, text):
    with pytest.raises(VerificationError, match=text) as error:
        simulate_streams([DESIGNS[name]], [stimulus(name)])
    assert f"design 'wrong_{name}'" in str(error.value)
    assert "after reset" in str(error.value)


def test_the_seed_is_of_what_nobody_promised():
    """Garbage between beats reaches only a module that does not look at valid."""

    def answers(name):
        runs = [simulate_streams([DESIGNS[name]], [stimulus(name)], seed=s)[0] for s in (1, 3)]
        return [run.beats["y"] for run in runs]

    assert np.array_equal(*answers("wide"))
    assert not np.array_equal(*answers("spills"))


def test_stimulus_that_does_not_fit_wrong():
    good, design = stimulus("skid"), DESIGNS["skid"]

    def fails(kind, text, design=design, **changes):
        options = {"beats": good.beats, "expected": good.expected, **changes}
        with pytest.raises(kind, match=text):
            simulate_streams([design], [StreamStimulus(**options)])

    fails(DataError, "beats for other streams", beats={})
    fails(DataError, r"uint64\(beats, 1\)", beats={"x": np.zeros((3, 2), np.uint64)})
    fails(DataError, "wrong shape or type", beats={"x": np.zeros((3, 1), np.int64)})
    fails(DataError, "beyond the port's width", beats={"x": np.full((3, 1), 2**40, np.uint64)})
    fails(DataError, r"expected beats of \['z'\]", expected={"z": 1})
    fails(DataError, "gaps float64", gaps={"x": np.zeros(BEATS)})
    fails(DataError, "never true", ready={"y": np.zeros(4, np.bool_)})


def test_options_that_do_not_fit_wrong():
    good, design = stimulus("skid"), DESIGNS["skid"]
    with pytest.raises(OptionError, match="0 for 1"):
        simulate_streams([design], [])
    with pytest.raises(OptionError, match="patience 0"):
        simulate_streams([design], [good], patience=0)
    with pytest.raises(OptionError, match=r"no valid_in\n.*skid"):
        simulate([design], [good])
    assert simulate_streams([], []) == []
    loose = modules.skid()
    loose.output("mode", loose.inputs["x_valid"])
    with pytest.raises(OptionError, match=r"belongs to no stream\n.*'skid'\n.*mode"):
        described(loose)
