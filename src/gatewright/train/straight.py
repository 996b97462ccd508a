"""Functions of PyTorch that are exact forwards and passable backwards: rounding, tables, choices.

Backwards, rounding passes the gradient straight through (arXiv:1308.3432), a table has the slope
between an entry's neighbours, and a hard choice that of the softmax it stands for (as the learnable
mapping of DWN, arXiv:2410.11112, has it).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def rounded(x: Tensor) -> Tensor:
    """Return the nearest integers; the gradient passes."""
    return x + (x.round() - x).detach()


def floored(x: Tensor) -> Tensor:
    """Return the integers below; the gradient passes."""
    return x + (x.floor() - x).detach()


def slopes(table: Tensor) -> Tensor:
    """Return half the difference of an entry's neighbours along axis 1, one-sided at the ends."""
    inner = (table[:, 2:] - table[:, :-2]) / 2
    first, last = table[:, 1:2] - table[:, :1], table[:, -1:] - table[:, -2:-1]
    return torch.cat([first, inner, last], 1)


class EdgeSum(torch.autograd.Function):  # type: ignore[misc]
    """Sum over the inputs the entries that their codes choose: (n, p) and (p, c, q) to (n, q)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, slope: Tensor) -> Tensor:
        """Look up and add; `slope` has the table's shape and stands for it backwards."""
        p, c, q = table.shape
        index = x.detach().long() + c * torch.arange(p, device=x.device)
        ctx.save_for_backward(index, slope)
        return torch.nn.functional.embedding_bag(index, table.reshape(p * c, q), mode="sum")

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give each entry the gradients of the samples that chose it."""
        index, slope = ctx.saved_tensors
        (g,) = grad
        p, c, q = slope.shape
        flat = slope.reshape(p * c, q)
        dx = torch.einsum("npq,nq->np", flat[index], g) if ctx.needs_input_grad[0] else None
        spread = g.unsqueeze(1).expand(len(g), p, q).reshape(-1, q)
        table = torch.zeros_like(flat).index_add_(0, index.reshape(-1), spread)
        return dx, table.reshape(p, c, q), None


class Lookup(torch.autograd.Function):  # type: ignore[misc]
    """Look up tables of several inputs: codes (n, t, k) and (t, c**k) entries to (n, t)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, smooth: Tensor, codes: int) -> Tensor:
        """Look up; differences of `smooth`, of the table's shape, are its slopes backwards."""
        t, size = table.shape
        powers = codes ** torch.arange(x.shape[2] - 1, -1, -1, device=x.device)
        code = x.detach().long()
        index = (code * powers).sum(2) + size * torch.arange(t, device=x.device)
        ctx.save_for_backward(code, index, powers, smooth)
        ctx.codes = codes
        return table.reshape(-1)[index]

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give entries the gradients of their samples, and inputs the slopes of the tables."""
        code, index, powers, smooth = ctx.saved_tensors
        (g,) = grad
        flat = smooth.reshape(-1)
        dx = None
        if ctx.needs_input_grad[0]:
            up = (code < ctx.codes - 1).long()
            down = (code > 0).long()
            above = flat[index.unsqueeze(2) + powers * up]
            below = flat[index.unsqueeze(2) - powers * down]
            dx = g.unsqueeze(2) * (above - below) / (up + down)
        table = torch.zeros_like(flat).index_add_(0, index.reshape(-1), g.reshape(-1))
        return dx, table.reshape(smooth.shape), None, None


class Choice(torch.autograd.Function):  # type: ignore[misc]
    """Choose for each column of the scores (inputs, m) the input with the largest: (n, m)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scores: Tensor) -> Tensor:
        """Gather."""
        index = scores.argmax(0)
        ctx.save_for_backward(x, scores, index)
        return x[:, index]

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor | None, ...]:
        """Let scores learn as if the choice were a softmax's mean, inputs as it is."""
        x, scores, index = ctx.saved_tensors
        (g,) = grad
        dx = torch.zeros_like(x).index_add_(1, index, g) if ctx.needs_input_grad[0] else None
        share = torch.softmax(scores, 0)
        pull = x.t() @ g
        return dx, share * (pull - (share * pull).sum(0))
