"""The first samples of a large circuit are interpreted, later ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.flow import emulator
from gatewright.hw import Module, evaluate
from gatewright.num import Intervals


def circuit() -> Module:
    m = Module("sum")
    a, b = m.input("x", Intervals.of([0, -4], [7, 3], [0, 1]))
    m.output("y", [m.add(a, b), m.less(a, b)])
    return m


@pytest.fixture
def _small_is_large(monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(emulator, "LARGE", 1)
    monkeypatch.setattr(emulator, "FEW", 50)
    monkeypatch.setattr(emulator, "MOST", 200)


def ports(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    return {"x": np.stack([rng.integers(0, 8, count), rng.integers(-4, 4, count)], axis=1)}


@pytest.mark.usefixtures("_small_is_large")
def test_the_first_samples_are_interpreted_and_then_no_more():
    m = circuit()
    first = emulator.FirstSamples(m)
    for count in (40, 100):
        found = first.run(ports(count), count, None)
        assert found is not None
        assert np.array_equal(found["y"], evaluate(m, ports(count))["y"])
    assert first.run(ports(100), 100, None) is None
    assert first.run(ports(1), 1, None) is None


@pytest.mark.usefixtures("_small_is_large")
def test_code_that_is_on_disk_is_taken_for_more_than_a_few():
    from gatewright.engine import Engine, is_stored

    m = circuit()
    assert not is_stored(m)
    Engine(m)
    assert is_stored(m)
    first = emulator.FirstSamples(m)
    assert first.run(ports(10), 10, None) is not None
    assert first.run(ports(60), 60, None) is None
    assert first.run(ports(10), 10, None) is None


def test_small_circuits_and_state_are_left_to_the_compiled_engine(monkeypatch):
    assert emulator.FirstSamples(circuit()).run(ports(10), 10, None) is None
    monkeypatch.setattr(emulator, "LARGE", 1)
    m = circuit()
    register = m.register((0, 1, 0))
    m.connect(register, m.outputs["y"][1])
    m.output("z", [register])
    assert emulator.FirstSamples(m).run(ports(10), 10, None) is None
