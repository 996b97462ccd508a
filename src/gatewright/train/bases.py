"""What an edge of a Kolmogorov-Arnold network may be made of: functions given at all codes.

B-splines are the original's (arXiv:2404.19756), Gaussians FastKAN's (arXiv:2405.06721), Chebyshev
polynomials ChebyKAN's (arXiv:2405.07200). An input is a code, so that each is a matrix, and an edge
a table whichever is taken; what differs is how many parameters it has and how smooth it is.
"""

from __future__ import annotations

import numpy as np

from gatewright.train.network import Reals

EDGES = ("bspline", "rbf", "chebyshev", "table")
"""What edges may be made of; the last has a parameter for each entry."""


def basis_of(edge: str, codes: int, grid: int, degree: int) -> Reals | None:
    """Return the functions of an edge at all codes, (codes, parameters).

    None where an entry is a parameter: of `table`, and where a table has no more of them.
    """
    if edge == "table" or codes <= {"bspline": grid + degree, "rbf": grid + 1}.get(
        edge, degree + 1
    ):
        return None
    if edge == "bspline":
        return spline_basis(codes, grid, degree)
    return rbf_basis(codes, grid) if edge == "rbf" else chebyshev_basis(codes, degree)


def rising(edge: str, basis: Reals | None, codes: int) -> Reals:
    """Return the parameters of an edge that rises from -1 to 1."""
    if basis is None or edge == "bspline":
        return np.linspace(-1, 1, codes if basis is None else basis.shape[1])
    return np.asarray(np.linalg.lstsq(basis, np.linspace(-1, 1, codes), rcond=None)[0])


def spline_basis(codes: int, grid: int, degree: int) -> Reals:
    """Return the B-splines of a uniform grid at all codes: (codes, grid + degree)."""
    knots = np.arange(-degree, grid + degree + 1) / grid
    x = _places(codes)
    basis = ((x >= knots[:-1]) & (x < knots[1:])).astype(np.float64)
    for d in range(1, degree + 1):
        left = (x - knots[: -d - 1]) / (knots[d:-1] - knots[: -d - 1])
        right = (knots[d + 1 :] - x) / (knots[d + 1 :] - knots[1:-d])
        basis = left * basis[:, :-1] + right * basis[:, 1:]
    return basis


def rbf_basis(codes: int, grid: int) -> Reals:
    """Return Gaussians on the points of a uniform grid, as wide as its step: (codes, grid + 1)."""
    centers = np.arange(grid + 1) / grid
    return np.asarray(np.exp(-(((_places(codes) - centers) * grid) ** 2)))


def chebyshev_basis(codes: int, degree: int) -> Reals:
    """Return Chebyshev polynomials of the first kind over all codes: (codes, degree + 1)."""
    x = 2 * _places(codes) - 1
    return np.asarray(np.cos(np.arange(degree + 1) * np.arccos(x)))


def _places(codes: int) -> Reals:
    """Return the middles of all codes, between 0 and 1: (codes, 1)."""
    return np.asarray((np.arange(codes) + 0.5)[:, None] / codes)
