"""Networks with the public structure of LogicNets' modules and its heirs', without Brevitas."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

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


# ---- heirs: what a neuron reads are places (`imask`), what it computes is its own business


class DeviceQuantizer(Quantizer):
    """As NeuraLUT's: states are asked for with where they are to be."""

    def get_bin_state_space(self, is_cuda):
        return torch.arange(self.low, self.high + 1)

    def get_state_space(self, is_cuda):
        return self.get_bin_state_space(is_cuda) * self.scale


class Places(torch.nn.Module):
    """As NeuraLUT's: a module that gives the places."""

    def __init__(self, places):
        super().__init__()
        self.register_buffer("places", places)

    def forward(self):
        return self.places


def places(n, m, fan_in):
    return torch.stack([torch.randperm(n)[:fan_in] for _ in range(m)])


def powers(fan_in, degree):
    """Return the exponents of all monomials up to a degree: (monomials, fan_in)."""
    terms = [t for d in range(degree + 1) for t in combinations_with_replacement(range(fan_in), d)]
    return torch.tensor([[float(t.count(i)) for i in range(fan_in)] for t in terms])


def layer_class(name):
    """Return a class of the name that importers know, sharing `Enumerable`'s constructor."""
    return type(name, (Enumerable,), {})


class Enumerable(torch.nn.Module):
    def __init__(self, n, m, input_quant, output_quant, first, inner):
        super().__init__()
        self.in_features, self.out_features = n, m
        self.input_quant, self.output_quant = input_quant, output_quant
        self.apply_input_quant, self.apply_output_quant = first, True
        self.inner = inner
        self.imask = inner.imask

    def forward(self, x):
        x = self.input_quant(x) if self.apply_input_quant else x
        return self.inner(x, self.output_quant if self.apply_output_quant else lambda y: y)


class Monomials(torch.nn.Module):
    """PolyLUT: a linear function of the monomials of what a neuron reads."""

    def __init__(self, n, m, fan_in, degree=2):
        super().__init__()
        self.imask, self.powers = places(n, m, fan_in), powers(fan_in, degree)
        self.weight = torch.nn.Parameter(torch.randn(m, len(self.powers)))

    def forward(self, x, quantize):
        terms = x[:, self.imask].unsqueeze(-2).pow(self.powers).prod(-1)
        return quantize((terms * self.weight).sum(-1))


class PairsOfMonomials(torch.nn.Module):
    """PolyLUT-Add: two of them for each output, one after the other along the batch."""

    def __init__(self, n, m, fan_in):
        super().__init__()
        self.imask, self.fan_in = places(n, m, 2 * fan_in), fan_in
        self.powers = powers(fan_in, 2)
        self.weight = torch.nn.Parameter(torch.randn(2, m, len(self.powers)))

    def forward(self, x, quantize):
        halves = self.imask[:, : self.fan_in], self.imask[:, self.fan_in :]
        sums = [
            (x[:, half].unsqueeze(-2).pow(self.powers).prod(-1) * weight).sum(-1)
            for half, weight in zip(halves, self.weight, strict=True)
        ]
        return torch.cat([quantize(s) for s in sums], 0)


class InnerNetwork(torch.nn.Module):
    """NeuraLUT: a small network of floats in each neuron, with two skips."""

    def __init__(self, n, m, fan_in, width=4):
        super().__init__()
        self.imask = Places(places(n, m, fan_in))
        shapes = [(fan_in, width), (width, width), (width, width), (width, 1)]
        shapes += [(fan_in, width), (width, 1)]
        for name, (a, b) in zip(("a", "b", "c", "d", "skip", "late"), shapes, strict=True):
            setattr(self, name, torch.nn.Parameter(torch.randn(m, a, b)))

    def forward(self, x, quantize):
        x = x[:, self.imask()].unsqueeze(-2)  # (samples, neurons, 1, fan_in)
        y = torch.relu(x @ self.a)
        y = torch.relu(y @ self.b + x @ self.skip)
        z = torch.relu(y @ self.c)
        return quantize((z @ self.d + y @ self.late)[..., 0, 0])


class Adder2(torch.nn.Module):
    def __init__(self, m, input_quant, output_quant):
        super().__init__()
        self.out_features, self.ensemble = m, 2
        self.input_quant, self.output_quant = input_quant, output_quant
        self.apply_input_quant, self.apply_output_quant = False, True

    def forward(self, pair):
        first, second = pair.chunk(2, 0)
        mean = (first + second) / 2
        return self.output_quant(mean) if self.apply_output_quant else mean


class Heir(torch.nn.Module):
    """As the heirs' models: layers in a list, one after the other."""

    def __init__(self, layers):
        super().__init__()
        self.module_list = torch.nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.module_list:
            x = layer(x)
        return x


def heir(style, sizes=(6, 5, 3), fan_in=2, seed=0):
    """Return a network in the style of `polylut`, `polylut-add` or `neuralut`."""
    torch.manual_seed(seed)
    quantizer = DeviceQuantizer if style == "neuralut" else Quantizer
    inner = {"polylut": Monomials, "polylut-add": PairsOfMonomials, "neuralut": InnerNetwork}[style]
    name = "SparseLinearNeq" + ("_add2" if style == "polylut-add" else "")
    before, layers = quantizer(-2, 1, 0.75, sizes[0]), []
    for number, (n, m) in enumerate(pairwise(sizes)):
        after = quantizer(0, 3, 0.3, m) if number else quantizer(-1, 1, 0.5, m)
        between = quantizer(-4, 3, 0.5, m) if style == "polylut-add" else after
        made = layer_class(name)(n, m, before, between, number == 0, inner(n, m, fan_in))
        layers.append(made)
        if style == "polylut-add":
            layers.append(Adder2(m, between, after))
        before = after
    model = Heir(layers).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.3, 1.0)
    return model
