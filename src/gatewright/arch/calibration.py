"""Delay models fitted to measured clocks, with their error, read from data files beside this one.

A file holds every measured point with its origin, and the constants that `fit` made of them. The
period of a path is linear in the constants, so that a point needs no more than how often each
constant counts on its path and the period that a place-and-route tool reported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewright.arch.timing import CONSTANTS
from gatewright.base import FileError
from gatewright.passes.netlist import DelayModel

FOLDER = Path(__file__).with_name("measured")
DIGITS = 4
"""Decimals of a nanosecond that constants are kept with."""


@dataclass(frozen=True)
class Point:
    """A measured clock period.

    Attributes:
        terms: how often each of `timing.CONSTANTS` counts on the slowest path.
        period: nanoseconds, as the place-and-route tool reported.
        check: kept out of the fit, to measure its error.
        origin: who measured it, with what.
    """

    name: str
    terms: tuple[float, ...]
    period: float
    check: bool
    origin: str


@dataclass(frozen=True)
class Calibration:
    """What a delay model was fitted to, and how far from it clocks were found.

    Attributes:
        source: what was measured, in a few words, after their number.
        points: measured clocks that the error band is of.
        low, high: the band: least and greatest of measured over estimated fmax, minus 1.
        mean: mean of the absolute value of the same.
        fitted: measured clocks that the constants were fitted to.
        held_out: whether those of the band were kept out of the fit; otherwise each was estimated
            from a fit to all others.
        date: of the measurement or collection.
    """

    source: str
    points: int
    low: float
    high: float
    mean: float
    fitted: int
    held_out: bool
    date: str

    @property
    def band(self) -> str:
        """The error band for people: `-18 %/+25 %`."""
        return f"{100 * self.low:+.0f} %/{100 * self.high:+.0f} %"

    def __str__(self) -> str:
        """Return the band and what it is known from."""
        return f"{self.band}: {self.points} {self.source}"


def fit(points: Sequence[Point], fixed: Mapping[str, float]) -> dict[str, float]:
    """Return the constants (ns, none negative) with the least squares of relative errors.

    Constants in `fixed`, and such as no point has in its path, are left as they are (0).
    """
    terms, periods = _matrix(points)
    known = np.array([fixed.get(name, 0.0) for name in CONSTANTS])
    rest = 1.0 - terms @ known / periods
    scaled = terms / periods[:, None]
    free = [i for i, name in enumerate(CONSTANTS) if name not in fixed and terms[:, i].any()]
    best, least = known, float(rest @ rest)
    # Few enough constants to try which of them are 0: exact, without an iterative solver.
    for size in range(1, len(free) + 1):
        for chosen in combinations(free, size):
            part = scaled[:, list(chosen)]
            found = np.linalg.lstsq(part, rest, rcond=None)[0]
            error = part @ found - rest
            if (found >= 0).all() and float(error @ error) < least - 1e-12:
                best, least = known.copy(), float(error @ error)
                best[list(chosen)] = found
    return {name: round(float(c), DIGITS) for name, c in zip(CONSTANTS, best, strict=True)}


def deviations(points: Sequence[Point], constants: Mapping[str, float]) -> NDArray[np.float64]:
    """Return measured over estimated fmax, minus 1, of each point."""
    terms, periods = _matrix(points)
    estimated = terms @ np.array([constants[name] for name in CONSTANTS])
    return np.asarray(estimated / periods - 1.0, np.float64)


def error_of(points: Sequence[Point], fixed: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the deviations of points that the fit did not see.

    Those marked `check` if there are any; otherwise each point against a fit to the others.
    """
    fitted = [p for p in points if not p.check]
    checks = [p for p in points if p.check]
    if checks:
        return deviations(checks, fit(fitted, fixed))
    rest = [[q for q in fitted if q is not p] for p in fitted]
    return np.array([deviations([p], fit(r, fixed))[0] for p, r in zip(fitted, rest, strict=True)])


def _matrix(points: Sequence[Point]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([p.terms for p in points]), np.array([p.period for p in points])


@cache
def measured(name: str) -> dict[str, Any]:
    """Return a data file's contents.

    Raises:
        FileError: it is damaged.
    """
    path = FOLDER / f"{name}.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise FileError(
            "the measurements of a device family cannot be read", place=str(path), found=error
        ) from error


def points_of(data: Mapping[str, Any]) -> list[Point]:
    """Return the points of a data file."""
    return [
        Point(
            row["name"],
            tuple(float(row["terms"].get(name, 0.0)) for name in CONSTANTS),
            float(row["period"]),
            bool(row["check"]),
            row["origin"],
        )
        for row in data["points"]
    ]


def fixed_of(data: Mapping[str, Any]) -> dict[str, float]:
    """Return the constants of a data file that are given, not fitted."""
    return {name: float(row["value"]) for name, row in data["fixed"].items()}


def error_facts(points: Sequence[Point], fixed: Mapping[str, float]) -> dict[str, Any]:
    """Return the error band as a data file keeps it."""
    error = error_of(points, fixed)
    return {
        "points": len(error),
        "held_out": any(p.check for p in points),
        "low": round(float(error.min()), 3),
        "high": round(float(error.max()), 3),
        "mean": round(float(np.abs(error).mean()), 3),
    }


def calibrated(name: str, **guessed: float) -> tuple[DelayModel, Calibration]:
    """Return the delay model of a family and what it was fitted to.

    `guessed` are constants that no measurement is there for: those of DSP blocks.

    Constants and band stand in the file, so that nothing is fitted when a program starts; that
    they follow from the points is held by a test.
    """
    data = measured(name)
    checks = sum(bool(row["check"]) for row in data["points"])
    calibration = Calibration(
        source=data["source"],
        fitted=len(data["points"]) - checks,
        date=data["date"],
        **data["error"],
    )
    model = DelayModel(
        **data["constants"],
        source=f"fitted to measured clocks, fmax {calibration}",
        lut_inputs=int(data["lut_inputs"]),
        **guessed,
    )
    return model, calibration
