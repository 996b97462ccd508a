"""The circuits of the calibration are still those that were measured."""

from __future__ import annotations

import json

import pytest
from bench.calibrate import points, row_of
from bench.calibrate_circuits import BOOT, tables, trees

from gatewright.arch import critical_path
from gatewright.arch.calibration import FOLDER, calibrated, measured
from gatewright.hw import check
from gatewright.passes.netlist import total_resources

MADE = {
    "trees_2x6": lambda: trees(2, 6),
    "trees_4x12": lambda: trees(4, 12),
    "tables_8": lambda: tables(8, 12),
}


@pytest.mark.parametrize("family", ["ecp5_6", "ecp5_8"])
@pytest.mark.parametrize("name", MADE)
def test_a_circuit_has_the_path_that_is_stored(family, name):
    module = MADE[name]()
    check(module)
    model, _ = calibrated(family)
    row = next(row for row in measured(family)["points"] if row["name"] == name)
    path = critical_path(module, model, total_resources(module).lut)
    assert {n: v for n, v in path.terms.items() if v} == pytest.approx(row["terms"], abs=1e-5)


def test_registers_are_placed_for_one_fixed_model():
    assert (BOOT.lut, BOOT.carry, BOOT.register) == (1.2, 1.9, 1.5)
    assert BOOT.lut_inputs == 4


def test_a_point_is_kept_as_the_files_hold_it():
    row = json.loads((FOLDER / "ecp5_6.json").read_text())["points"][0]
    assert set(row_of(_point())) == set(row)
    assert points([], BOOT) == []


def _point():
    from gatewright.arch.calibration import points_of

    return points_of(measured("ecp5_6"))[0]
