import numpy as np

from gatewright.ops import Requantize
from tests.ops.cases.common import Case, uniform


def staircase(step: float, start: float, levels: int) -> np.ndarray:
    return np.ceil(start + step * np.arange(levels)).astype(np.int64)


RNG = np.random.default_rng(0)
RISING = np.array([False])
IRREGULAR = np.sort(RNG.integers(-300, 300, (2, 7)), axis=1)

CASES = [
    Case(
        "requantize-even",
        Requantize(staircase(13.7, -60, 15)[None], RISING, -8),
        (uniform("fixed<10,10>", 3),),
    ),
    Case(
        "requantize-irregular",
        Requantize(IRREGULAR, np.array([False, True]), 0),
        (uniform("fixed<11,11>", 2),),
    ),
    Case(
        "requantize-narrow",
        Requantize(staircase(3.1, -9, 7)[None], RISING, 0),
        (uniform("fixed<6,6>", 3),),
    ),
    Case(
        "requantize-bipolar",
        Requantize(np.array([[3]]), RISING, -1, step=2),
        (uniform("fixed<6,6>", 3),),
    ),
    Case(
        "requantize-falling",
        Requantize(staircase(5.3, -20, 7)[None], np.array([True]), 0),
        (uniform("fixed<7,7>", 3),),
    ),
    Case(
        "requantize-unreached",
        Requantize(staircase(50, -900, 40)[None], RISING, 0),
        (uniform("fixed<5,5>", 2),),
    ),
    Case(
        "requantize-frac",
        Requantize(staircase(9.9, -50, 12)[None], RISING, 2, frac=3),
        (uniform("fixed<9,6>", 2),),
    ),
    Case(
        "requantize-8bit",
        Requantize(staircase(2.37, -300, 255)[None], RISING, -128),
        (uniform("fixed<11,11>", 1),),
    ),
]
