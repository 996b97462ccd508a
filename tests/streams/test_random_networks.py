"""Random networks: the model's cycles are the circuit's, FIFOs are least, stalls never lock up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_networks import looped, random_network

from gatewright.hw import check, random_ready, run_streams
from gatewright.streams import Network, assemble, least_depths, simulate

EVENTS = 4
PATIENCE = 200


def top_of(network: Network):
    top = assemble(network, 0, 0)
    check(top)
    return top


def beats_of(network: Network, events: int, seed: int = 1):
    """Return random beats of the inputs, and how many beats the outputs give."""
    rng = np.random.default_rng(seed)
    counts = {link.source[1]: link.beats for link in network.links if link.source[0] < 0}
    given = {name: rng.integers(0, 16, (counts[name] * events, 1)) for name in network.inputs}
    ends = {link.target[1]: link.beats * events for link in network.links if link.target[0] < 0}
    return given, ends


def ends_of(result, wanted, events):
    """Return the cycle in which the last beat of each event left."""
    last = [result.output_cycle[n][b // events - 1 :: b // events] for n, b in wanted.items()]
    return np.max(last, axis=0).tolist()


def started(result) -> int:
    return min(int(cycles[0]) for cycles in result.accept_cycle.values())


@given(st.integers(0, 10**6), st.integers(2, 6))
@settings(max_examples=8)
def test_the_model_counts_the_cycles_of_the_circuit(seed, size):
    """Whatever the depths: where the model ends, the circuit ends in the same cycles."""
    network = random_network(seed, size)
    given, wanted = beats_of(network, EVENTS)
    depths = np.random.default_rng(seed).integers(0, 4, len(network.links)).tolist()
    network = network.with_depths(depths)
    model = simulate(network, events=EVENTS)
    found = run_streams(top_of(network), given, wanted, drain=24, patience=PATIENCE)
    assert bool(found.deadlock) == model.locked
    assert all(len(found.output_cycle[name]) <= count for name, count in wanted.items())
    if not model.locked:
        assert ends_of(found, wanted, EVENTS) == model.finished.tolist()
        assert model.latency == model.finished[0] - started(found)


@given(st.integers(0, 10**6), st.floats(0, 0.7))
@settings(max_examples=6)
def test_loops_take_the_cycles_of_the_model_and_no_stall_locks_them_up(seed, share):
    network = looped(np.random.default_rng(seed))
    depths, best = least_depths(network)
    assert depths[-1] >= 1  # the way back
    network = network.with_depths(depths)
    given, wanted = beats_of(network, EVENTS)
    top = top_of(network)
    free = run_streams(top, given, wanted, drain=24, patience=PATIENCE)
    assert ends_of(free, wanted, EVENTS) == simulate(network, events=EVENTS).finished.tolist()
    assert best.latency == free.output_cycle["out"][wanted["out"] // EVENTS - 1] - started(free)
    rng = np.random.default_rng(seed)
    gaps = {name: rng.integers(0, 1 + int(9 * share), len(b)) for name, b in given.items()}
    ready = {name: random_ready(share, seed) for name in wanted}
    held = run_streams(
        top, given, wanted, gaps=gaps, ready=ready, drain=24, patience=PATIENCE
    )  # fmt: skip
    assert not held.deadlock
    np.testing.assert_array_equal(held.outputs["out"], free.outputs["out"])


@given(st.integers(0, 10**6), st.integers(2, 14), st.booleans())
@settings(max_examples=40)
@example(seed=80, size=12, near=False)  # one that fails by less, with others less still does not
def test_no_fifo_could_be_smaller(seed, size, near):
    network = random_network(seed, size)
    depths, best = least_depths(network)
    if near:  # what the search starts from changes where it ends, not what is true of that
        depths, best = least_depths(network, near=[max(depth - 1, 0) for depth in depths])
    endless = simulate(network, [1 << 40] * len(depths))
    assert not best.locked
    assert best.interval <= endless.interval
    for number, depth in enumerate(depths):
        if depth:
            less = [*depths[:number], depth - 1, *depths[number + 1 :]]
            worse = simulate(network, less)
            slower = worse.interval > best.interval or worse.latency > best.latency
            assert worse.locked or slower, f"link {number} of depth {depth}"


@given(st.integers(0, 10**6), st.integers(2, 8))
@settings(max_examples=10)
def test_floors_are_kept_and_the_rest_is_least(seed, size):
    network = random_network(seed, size)
    rng = np.random.default_rng(seed)
    some = rng.random(len(network.links)) < 0.3
    floors = (rng.integers(0, 3, len(some)) * some).tolist()
    first, _ = least_depths(network)
    depths, best = least_depths(network, floors, near=first)
    assert all(depth >= floor for depth, floor in zip(depths, floors, strict=True))
    assert least_depths(network, floors, near=first)[0] == depths  # the same again
    for number, depth in enumerate(depths):
        if depth > floors[number]:
            less = [*depths[:number], depth - 1, *depths[number + 1 :]]
            worse = simulate(network, less)
            slower = worse.interval > best.interval or worse.latency > best.latency
            assert worse.locked or slower, f"link {number} of depth {depth}"


@given(st.integers(0, 10**6), st.integers(2, 5))
@settings(max_examples=4)
def test_stalls_delay_and_change_nothing(seed, size):
    """With the least FIFOs no pattern of stalls locks the network up, or changes a beat."""
    network = random_network(seed, size)
    depths, _ = least_depths(network)
    top = top_of(network.with_depths(depths))
    given, wanted = beats_of(network, EVENTS)
    free = run_streams(top, given, wanted, drain=24, patience=PATIENCE)
    assert not free.deadlock
    rng = np.random.default_rng(seed)
    for share in (0.2, 0.6):
        gaps = {name: rng.integers(0, int(3 / share), len(b)) for name, b in given.items()}
        ready = {name: random_ready(share, seed + i) for i, name in enumerate(wanted)}
        held = run_streams(
            top, given, wanted, gaps=gaps, ready=ready, drain=24, patience=PATIENCE
        )  # fmt: skip
        assert not held.deadlock
        for name, beats in free.outputs.items():
            np.testing.assert_array_equal(held.outputs[name], beats)


@given(st.integers(0, 10**6), st.integers(2, 5))
@settings(max_examples=4)
def test_an_event_ends_with_all_actors_at_their_first_step(seed, size):
    """So the next one, much later, runs as the first did: the argument against locks needs it."""
    network = random_network(seed, size)
    depths, cycles = least_depths(network)
    given, wanted = beats_of(network, 2)
    gaps = {name: np.zeros(len(b), np.int64) for name, b in given.items()}
    one = run_streams(top_of(network.with_depths(depths)), *beats_of(network, 1), drain=40)
    pause = one.cycles + 100
    for name, beats in given.items():
        gaps[name][len(beats) // 2] = pause - int(one.accept_cycle[name][-1]) - 1
    found = run_streams(top_of(network.with_depths(depths)), given, wanted, gaps=gaps, drain=40)
    assert not one.deadlock
    assert not found.deadlock
    for name, times in found.output_cycle.items():
        half = len(times) // 2
        np.testing.assert_array_equal(times[half:] - pause, times[:half])
        np.testing.assert_array_equal(times[:half], one.output_cycle[name])
    for name, times in found.accept_cycle.items():
        half = len(times) // 2
        np.testing.assert_array_equal(times[half:] - pause, times[:half], err_msg=name)
    assert max(t[len(t) // 2 - 1] for t in found.output_cycle.values()) == (
        started(found) + cycles.latency
    )


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(6, 16))
@settings(max_examples=200)
def test_large_networks(seed, size):
    network = random_network(seed, size)
    depths, _ = least_depths(network)
    given, wanted = beats_of(network, EVENTS)
    top = top_of(network.with_depths(depths))
    found = run_streams(top, given, wanted, drain=24, patience=PATIENCE)
    assert not found.deadlock
    assert ends_of(found, wanted, EVENTS) == (
        simulate(network, depths, events=EVENTS).finished.tolist()
    )
