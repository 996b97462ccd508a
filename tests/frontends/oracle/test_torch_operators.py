"""Single operators of PyTorch that no layer's test uses, by their functions: equal to PyTorch."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch_models import check, torch

F = torch.nn.functional
SETTINGS = settings(max_examples=1, phases=[Phase.generate])
C = torch.tensor([0.5, -1.25, 2.0])

UNARY = {
    "functions": lambda x: (
        torch.acos(x / 9), torch.asin(x / 9), torch.atan(x), torch.asinh(x), torch.cos(x),
        torch.acosh(x.abs() + 1.5), torch.atanh(x / 9), torch.cosh(x / 3), torch.sinh(x / 3),
        torch.tan(x / 9), torch.exp2(x), torch.log10(x.abs() + 1), torch.log1p(x.abs()),
        torch.log2(x.abs() + 1), torch.special.expm1(x / 3), torch.sgn(x),
    ),
    "arithmetic": lambda x: (
        torch.addcdiv(x, x, x * x + 1, value=0.5), torch.clamp_max(x, 0.75),
        torch.max(x, -x), torch.min(x, -x), x.div(2.5), x.to(torch.float32).contiguous(),
        torch.zeros_like(x) + x, torch.ones_like(x) * x, torch.full_like(x, 0.5) - x,
        x + x.new_zeros(3), x * x.new_ones(3), x - x.new_full((3,), 0.25),
    ),
    "logic": lambda x: (
        (torch.logical_and(x > 0, x < 1)).float(), torch.logical_or(x > 1, x < 0).float(),
        torch.bitwise_and(x > 0, x < 1).float(), torch.bitwise_or(x > 1, x < 0).float(),
        torch.bitwise_xor(x > 1, x > 0).float(), ((x > 1) ^ (x > 0)).float(),
    ),
    "shrinks": lambda x: (F.hardshrink(x, 0.75), F.softshrink(x, 0.75), F.dropout(x, 0.5, False)),
}  # fmt: skip

MOVES = {
    "parts": lambda x: (
        *x.chunk(2, 1), *x.split([1, 3], 1), x.narrow(1, 1, 2), *x.tensor_split(2, 2),
        x.unfold(1, 2, 1), x.diagonal(0, 1, 2), x.triu(1),
    ),
    "shapes": lambda x: (
        x.flatten(1), x.reshape(-1, 16), x.unflatten(1, (2, 2)), x.movedim(1, 2), x.mT,
        x.view_as(x), x[:, :1].expand_as(x), x.tile(1, 2, 1), x.flip(1),
        torch.rot90(x, 1, (1, 2)), torch.fliplr(x), x.transpose(0, 1).flipud().transpose(0, 1),
    ),
    "places": lambda x: (
        torch.scatter(x, 2, torch.zeros(x.shape[0], 4, 1, dtype=torch.int64), x[:, :, 1:2]),
        torch.var_mean(x, 2), torch.var_mean(x, (1, 2), correction=0),
        F.pad(x, (1, 2), value=0.5), F.pad(x, (1, 2), mode="reflect"),
        F.pad(x, (1, 2), mode="replicate"), F.adaptive_avg_pool1d(x, 2),
        F.adaptive_max_pool1d(x, 2), F.interpolate(x, scale_factor=2),
        F.interpolate(x, size=7, mode="linear"), F.conv_transpose1d(x, torch.ones(4, 2, 2) / 3),
    ),
}  # fmt: skip

INDEX = torch.tensor([0, 2])


def put(x):
    y = x.clone()
    y[:, INDEX] = 0.5
    return y


MOVES["copies"] = lambda x: (
    torch.unfold_copy(x, 1, 2, 1), torch.diagonal_copy(x, 0, 1, 2), put(x),
)  # fmt: skip

IMAGES = {
    "borders": lambda x: (
        F.pad(x, (1, 1, 1, 0), mode="reflect"), F.pad(x, (0, 1, 1, 1), mode="replicate"),
        F.interpolate(x, size=(3, 5)), F.interpolate(x, scale_factor=2, mode="bicubic"),
        F.adaptive_avg_pool2d(x, (2, 3)), F.adaptive_max_pool2d(x, 2),
        F.max_pool2d(x, 2, return_indices=True)[0], F.unfold(x, 2),
    ),
}  # fmt: skip


def flat(function):
    """Return a function whose results are tensors in one tuple."""

    def forward(x):
        found = []
        for part in function(x):
            found += part if isinstance(part, tuple | list) else [part]
        return tuple(found)

    return forward


@pytest.mark.parametrize("name", UNARY)
@SETTINGS
@given(leading=st.lists(st.integers(1, 3), max_size=2))
def test_elements(name, leading):
    check(flat(UNARY[name]), (*leading, 3))


@pytest.mark.parametrize("name", MOVES)
def test_axes(name):
    check(flat(MOVES[name]), (4, 4))


@pytest.mark.parametrize("name", IMAGES)
@SETTINGS
@given(channels=st.integers(1, 3))
def test_images(name, channels):
    check(flat(IMAGES[name]), (channels, 4, 5))


def test_products_of_matrices_alone():
    matrix = torch.tensor(np.random.default_rng(0).normal(size=(3, 2)), dtype=torch.float32)
    check(lambda x: torch.mm(x, matrix), (3,))
    check(lambda x: torch.mv(x, C), (3,))
