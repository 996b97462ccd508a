"""Attention without a softmax (arXiv:2006.16236), as a user writes it: by its operations alone."""

import numpy as np
import pytest

import gatewright as gw

torch = pytest.importorskip("torch", reason="needs PyTorch")


class LinearAttention(torch.nn.Module):
    """phi(Q) (phi(K)' V), over phi(Q) times the sum of phi(K); phi is elu + 1."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (torch.nn.Linear(6, 8) for _ in range(3))
        self.o = torch.nn.Linear(8, 3)

    def forward(self, x):
        q, k = (torch.nn.functional.elu(part(x)) + 1 for part in (self.q, self.k))
        together = torch.einsum("bnd,bne->bde", k, self.v(x))
        total = torch.einsum("bnd,bd->bn", q, k.sum(1))
        y = torch.einsum("bnd,bde->bne", q, together) / total.unsqueeze(-1)
        return self.o(y).mean(1)


def test_from_a_module_to_the_emulator():
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(400, 4, 6))
    design = gw.compile(LinearAttention().eval(), calibration=x, clock="100 MHz")
    assert all(check["vectors"] for check in design.facts()["source_checks"])
    assert design.facts()["metrics"]["relative_error"] < 0.05
    assert design.verify(random=200, rtl=False).checks
