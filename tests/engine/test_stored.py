"""Compiled circuits come back from disk, but only sound ones and only for the same circuit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from engine_circuits import random_inputs, random_module

from gatewright.base.cache import Cache
from gatewright.engine import Engine, Target, canonical, jit
from gatewright.engine.stored import Compiled
from gatewright.hw import evaluate


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path))
    return tmp_path


def circuit(seed=7):
    return random_module(seed, cells=40, widest=9, children=[random_module(8, cells=12)])


def agrees(module, cached):
    engine = Engine(module)
    inputs = random_inputs(module, 70)
    assert engine.cached is cached
    for name, values in evaluate(module, inputs).items():
        np.testing.assert_array_equal(engine.run(inputs)[name], values)
    return engine


def entry_of_circuit(folder):
    """Return the folder of the only entry that holds a circuit, not a mover."""
    found = list(folder.glob("v1/engine/*/*/layout.json"))
    assert len(found) == 1
    return found[0].parent


def test_a_circuit_comes_back():
    first, second = agrees(circuit(), False), agrees(circuit(), True)
    for fact in ("lane_bits", "block", "cells"):
        assert getattr(first, fact) == getattr(second, fact)


def test_a_cached_circuit_is_not_planned_again(monkeypatch):
    agrees(circuit(), False)
    monkeypatch.setattr(jit, "compile_text", None)
    monkeypatch.setattr("gatewright.engine.stored.Program", None)
    agrees(circuit(), True)


def test_another_circuit_processor_or_version_is_compiled(monkeypatch):
    agrees(circuit(), False)
    agrees(circuit(9), False)
    assert not Engine(circuit(), target=Target.baseline()).cached
    monkeypatch.setattr(canonical, "version", lambda: "later")
    agrees(circuit(), False)


@pytest.mark.parametrize("file", ["code0.o", "tables.bin", "layout.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_entry_is_not_run(folder, file, damage):
    agrees(circuit(), False)
    path = entry_of_circuit(folder) / file
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    agrees(circuit(), False)
    agrees(circuit(), True)


@pytest.mark.parametrize("layout", [[], {"ports": 3}, {"ports": [[], []], "numbers": [1]}])
def test_an_entry_of_another_form_is_not_run(folder, layout):
    agrees(circuit(), False)
    entry = entry_of_circuit(folder)
    files = {name: (entry / name).read_bytes() for name in ("code0.o", "tables.bin")}
    files["layout.json"] = json.dumps(layout).encode()
    assert Cache().write("engine", entry.name, files)
    agrees(circuit(), False)
    agrees(circuit(), True)


def test_an_entry_whose_code_is_none_is_not_run(folder):
    agrees(circuit(), False)
    entry = entry_of_circuit(folder)
    files = {path.name: path.read_bytes() for path in entry.iterdir() if path.suffix != ".o"}
    files = {name: data for name, data in files.items() if name != "manifest.json"}
    assert Cache().write("engine", entry.name, files | {"code0.o": b"junk"})
    module = circuit()
    inputs = random_inputs(module, 70)
    engine = Engine(module)
    for name, values in evaluate(module, inputs).items():
        np.testing.assert_array_equal(engine.run(inputs)[name], values)


def test_a_folder_that_cannot_be_written_costs_only_time(folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(folder / "file"))
    agrees(circuit(), False)
    agrees(circuit(), False)


def test_without_a_cache_nothing_is_written(folder):
    made = Compiled.of(circuit(), Target.host(), None)
    assert not made.cached
    assert not list(folder.iterdir())


def test_large_circuits_take_least_effort(monkeypatch):
    levels = []
    compile_text = jit.compile_text
    assert jit.level_for(jit.MANY) == 0 < jit.level_for(jit.MANY - 1)

    def spy(text, target, level=jit.LEVEL):
        levels.append(level)
        return compile_text(text, target, level)

    monkeypatch.setattr(jit, "compile_text", spy)
    monkeypatch.setattr(jit, "MANY", len(circuit()))
    agrees(circuit(), False)
    assert 0 in levels
