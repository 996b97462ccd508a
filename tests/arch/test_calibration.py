"""Constants and error bands follow from the stored points, and the text says them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gatewright.arch import DEVICES, calibration, find_device
from gatewright.arch.calibration import (
    FOLDER,
    Point,
    calibrated,
    deviations,
    error_facts,
    fit,
    fixed_of,
    measured,
    points_of,
)
from gatewright.arch.timing import CONSTANTS
from gatewright.base import FileError

FAMILIES = sorted(path.stem for path in FOLDER.glob("*.json"))


def point(period, check=False, **terms):
    counts = tuple(float(terms.get(name, 0)) for name in CONSTANTS)
    return Point("p", counts, period, check, "made up")


@pytest.mark.parametrize("family", FAMILIES)
def test_constants_are_the_fit_of_the_stored_points(family):
    data = measured(family)
    fitted = [p for p in points_of(data) if not p.check]
    assert data["constants"] == fit(fitted, fixed_of(data))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_band_is_computed_from_the_stored_points(family):
    data = measured(family)
    points = points_of(data)
    assert data["error"] == error_facts(points, fixed_of(data))
    # Once more by hand, from periods alone: fmax measured over fmax estimated.
    checks = [p for p in points if p.check]
    if checks:
        constants = [data["constants"][name] for name in CONSTANTS]
        ratios = [(1 / p.period) / (1 / np.dot(p.terms, constants)) - 1 for p in checks]
        assert data["error"]["low"] == pytest.approx(min(ratios), abs=6e-4)
        assert data["error"]["high"] == pytest.approx(max(ratios), abs=6e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_point_has_an_origin_and_a_path(family):
    for row in measured(family)["points"]:
        assert row["origin"]
        assert row["terms"]["register"] == 1
        assert row["period"] > 0
        if "mhz" in row:
            assert row["period"] == pytest.approx(1e3 / row["mhz"], rel=1e-4)
            assert row["terms"]["spread"] == pytest.approx((row["lut"] / 1000) ** 0.5, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_model_is_wrong_for_is_kept_with_its_error(family):
    data = measured(family)
    rows = data.get("outside", [])
    off = deviations(points_of({"points": rows}), data["constants"]) if rows else []
    assert [row["off"] for row in rows] == [round(float(e), 3) for e in off]
    assert family == "ultrascale_plus" or rows


def test_a_moved_point_moves_constants_and_band():
    data = json.loads(json.dumps(measured("ultrascale_plus")))
    data["points"][0]["period"] *= 1.2
    points, fixed = points_of(data), fixed_of(data)
    assert fit(points, fixed) != data["constants"]
    assert error_facts(points, fixed) != data["error"]


def test_fit_finds_the_constants_that_made_the_points():
    truth = {"register": 0.3, "lut": 0.4, "carry": 0.7, "carry_bit": 0.01, "mux": 0.1, "spread": 0}
    rng = np.random.default_rng(1)
    points = []
    for _ in range(12):
        terms = {"register": 1, "lut": rng.integers(4), "carry": rng.integers(5),
                 "carry_bit": rng.integers(60), "mux": rng.integers(3)}  # fmt: skip
        points.append(point(sum(truth[n] * c for n, c in terms.items()), **terms))
    assert fit(points, {}) == pytest.approx(truth, abs=1e-4)
    assert np.abs(deviations(points, truth)).max() < 1e-12


def test_no_constant_is_negative_and_given_ones_stay():
    points = [point(2, register=1, lut=1), point(1, register=1, lut=2), point(3, register=1)]
    assert fit(points, {})["lut"] == 0
    assert fit(points, {"lut": 0.25})["lut"] == 0.25


def test_the_band_is_of_points_that_the_fit_did_not_see():
    seen = [point(1.0, register=1), point(3.0, register=1, lut=1)]
    held_out = point(2.0, check=True, register=1, lut=1)
    facts = error_facts([*seen, held_out], {})
    assert facts == {"points": 1, "held_out": True, "low": 0.5, "high": 0.5, "mean": 0.5}
    # Without such, every point is estimated from the others: 1 ns from 4, and 4 from 1.
    facts = error_facts([point(1.0, register=1), point(4.0, register=1)], {})
    assert (facts["low"], facts["high"], facts["points"]) == (-0.75, 3.0, 2)


def test_a_calibrated_device_says_its_band():
    device = find_device("xcvu13p")
    found = device.calibration
    assert found is not None
    low, high = f"{100 * found.low:+.0f} %", f"{100 * found.high:+.0f} %"
    assert device.fmax_text(412.3) == (
        f"412 MHz ({low}/{high}: {found.points} published Vivado results)"
    )
    assert device.delay.source.startswith("fitted to measured clocks")


def test_an_uncalibrated_device_says_so():
    device = find_device("xc7z020")
    assert device.calibration is None
    assert device.fmax_text(100) == "100 MHz (not calibrated)"


def test_only_measured_families_are_called_calibrated():
    for device in DEVICES:
        calibrated_text = "fitted to measured clocks" in device.delay.source
        assert calibrated_text == (device.calibration is not None)
        assert ("not calibrated" in device.delay.source) != calibrated_text


def test_a_larger_design_is_slower():
    model, _ = calibrated("ultrascale_plus")
    small, large = model.sized(1000), model.sized(100_000)
    assert small.register == pytest.approx(model.register + model.spread)
    assert large.register == pytest.approx(model.register + 10 * model.spread)
    assert (small.lut, small.carry, small.spread) == (model.lut, model.carry, 0)


def test_a_damaged_file_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "FOLDER", tmp_path)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(FileError) as error:
        measured("broken")
    text = str(error.value)
    assert text.startswith("the measurements of a device family cannot be read")
    assert "broken.json" in text
