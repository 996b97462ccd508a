import numpy as np

from gatewright.ops import Dense
from tests.ops.cases.common import Case, mixed, uniform


def weights(seed: int, n_in: int, n_out: int, bits: int = 5, density: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    q = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (n_in, n_out))
    return q * (rng.random((n_in, n_out)) < density) / 2.0 ** rng.integers(0, 4, n_out)


def dense(seed: int, n_in: int, n_out: int, bits: int = 5, density: float = 0.7) -> Dense:
    bias = weights(seed + 100, 1, n_out, 6)[0]
    return Dense.of(weights(seed, n_in, n_out, bits, density), bias)


CASES = [
    Case("dense-6x4", dense(1, 6, 4), (uniform("fixed<6,3>", 6),), reuses=(1, 2, 3, 5, 24)),
    Case("dense-7x5-mixed", dense(2, 7, 5), (mixed(4, 7),), reuses=(1, 2, 4, 11, 35)),
    Case("dense-unsigned", dense(3, 5, 3), (uniform("ufixed<4,0>", 5),), reuses=(1, 5, 7)),
    Case("dense-rows", dense(4, 4, 3), (uniform("fixed<5,2>", 3, 4),), reuses=(1, 4)),
    Case("dense-mixed-rows", dense(5, 4, 3), (mixed(9, 2, 4),), reuses=(1, 3)),
    Case("dense-ternary", Dense.of(np.sign(weights(6, 9, 4))), (uniform("fixed<3,3>", 9),), (1, 9)),
    Case("dense-zero", Dense.of(np.zeros((3, 2)), np.asarray([0.0, -1.5])), (mixed(8, 3),)),
    Case("dense-one", Dense.of(np.asarray([[-0.625]])), (uniform("fixed<4,2>", 1),)),
    Case("dense-negative", Dense.of(-np.abs(weights(7, 4, 4)) - 0.25), (mixed(6, 4),), (1, 2)),
    Case("dense-binary-input", dense(8, 12, 3), (uniform("ufixed<1,1>", 12),), (1, 6)),
]
