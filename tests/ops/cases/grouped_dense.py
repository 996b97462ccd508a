import numpy as np

from gatewright.ops import GroupedDense
from tests.ops.cases.common import Case, mixed, uniform
from tests.ops.cases.dense import weights


def grouped(seed: int, groups: int, n_in: int, n_out: int) -> GroupedDense:
    parts = [weights(seed + g, n_in, n_out) for g in range(groups)]
    bias = np.stack([weights(seed + 50 + g, 1, n_out, 6)[0] for g in range(groups)])
    return GroupedDense.of(np.stack(parts), bias)


CASES = [
    Case("grouped-dense", grouped(1, 3, 4, 2), (uniform("fixed<6,3>", 3, 4),)),
    Case("grouped-dense-mixed", grouped(2, 2, 5, 3), (mixed(4, 2, 5),)),
    Case("grouped-dense-rows", grouped(3, 2, 6, 3), (uniform("fixed<5,2>", 3, 2, 6),)),
    Case("grouped-dense-image", grouped(4, 2, 3, 1), (mixed(9, 2, 2, 2, 3),)),
    Case("grouped-dense-one", grouped(5, 1, 3, 2), (uniform("ufixed<4,0>", 1, 3),)),
    Case("grouped-dense-zero", GroupedDense.of(np.zeros((2, 3, 2))), (mixed(8, 2, 3),)),
]
