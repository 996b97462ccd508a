import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gatewright.num import FixedArray, Overflow, Rounding
from gatewright.ops import Quantize, Softmax, SoftmaxFormats
from gatewright.quantize.forward import apply


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20),
    st.sampled_from([Rounding.TRN, Rounding.RND]),
    st.sampled_from([Overflow.SAT, Overflow.WRAP]),
    st.booleans(),
    st.integers(0, 12),
    st.integers(-4, 8),
)
def test_quick_quantizers_are_the_general_ones(x, rounding, mode, signed, width, frac):
    op = Quantize.to(signed, width, frac, rounding, mode)
    batch = np.array([x, np.nextafter(x, np.inf)]) + np.ldexp(0.5, -frac)
    assert np.array_equal(apply(op, batch), op.real(batch))


def test_softmax_is_that_of_the_firmware():
    op = Softmax(SoftmaxFormats.for_output(6, 3))
    x = np.random.default_rng(0).integers(-20, 20, (50, 3)) / 4.0
    assert np.array_equal(apply(op, x), op.evaluate(FixedArray.exact(x)).value)
