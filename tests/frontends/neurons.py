"""A network with the public structure of LogicNets' modules, without Brevitas."""

from __future__ import annotations

from itertools import pairwise

import torch


class Quantizer(torch.nn.Module):
    def __init__(self, low, high, scale, width):
        super().__init__()
        self.low, self.high, self.scale = low, high, scale
        self.norm = torch.nn.BatchNorm1d(width)
        self.is_bin_output = False

    def bin_output(self):
        self.is_bin_output = True

    def float_output(self):
        self.is_bin_output = False

    def get_bin_state_space(self):
        return torch.arange(self.low, self.high + 1)

    def get_state_space(self):
        return self.get_bin_state_space() * self.scale

    def forward(self, x):
        q = torch.clamp(torch.round(self.norm(x) / self.scale), self.low, self.high)
        return q if self.is_bin_output else q * self.scale


class Mask(torch.nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.mask = torch.nn.Parameter(mask, requires_grad=False)

    def forward(self):
        return self.mask


class SparseLinear(torch.nn.Linear):
    def __init__(self, n, m, mask):
        super().__init__(n, m)
        self.mask = mask

    def forward(self, x):
        return torch.nn.functional.linear(x, self.weight * self.mask(), self.bias)


class SparseLinearNeq(torch.nn.Module):
    def __init__(self, n, m, input_quant, output_quant, mask, first):
        super().__init__()
        self.in_features, self.out_features = n, m
        self.input_quant, self.output_quant = input_quant, output_quant
        self.fc = SparseLinear(n, m, Mask(mask))
        self.apply_input_quant, self.apply_output_quant = first, True

    def forward(self, x):
        x = self.input_quant(x) if self.apply_input_quant else x
        x = self.fc(x)
        return self.output_quant(x) if self.apply_output_quant else x


def logicnets(sizes=(6, 5, 3), fan_in=2, seed=0):
    """Return a network of random weights, masks and statistics."""
    torch.manual_seed(seed)
    before, layers = Quantizer(-2, 1, 0.75, sizes[0]), []
    for number, (n, m) in enumerate(pairwise(sizes)):
        mask = torch.zeros(m, n)
        for row in mask:
            row[torch.randperm(n)[:fan_in]] = 1
        after = Quantizer(0, 3, 0.3, m) if number else Quantizer(-1, 1, 0.5, m)
        layers.append(SparseLinearNeq(n, m, before, after, mask, number == 0))
        before = after
    model = torch.nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.3, 1.0)
    return model
