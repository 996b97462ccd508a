"""What a loss is worth in cost, of candidates tried."""

import warnings
from types import SimpleNamespace

import pytest

from gatewright.quantize.search import Search


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ((0.01, 0.01, 0.01), 0.3),  # of one loss, nothing is learnt
        ((0.005, 0.01, 0.02), 0.5),
        ((0.01, 0.02), 0.3),
    ],
)
def test_exchange(losses, wanted):
    tried = [SimpleNamespace(score=SimpleNamespace(smooth=v), cost=v**-0.5) for v in losses]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Search._exchange(SimpleNamespace(tried=tried, tolerance=0.01))  # type: ignore[arg-type]
    assert found == pytest.approx(wanted)
