"""Small PyTorch models for tests, and their comparison with PyTorch itself."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'gatewright[torch]'")

from gatewright.frontends.compare import compare_with_source  # noqa: E402
from gatewright.frontends.torch import read_torch, trace  # noqa: E402

torch.set_num_threads(1)


class Of(torch.nn.Module):
    """A function as a module, with parameters that it may use."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, torch.nn.Module):
                self.add_module(name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, *inputs):
        return self.function(*inputs)


def module_of(model):
    return model if isinstance(model, torch.nn.Module) else Of(model)


def randomize(module, seed=0):
    """Give parameters and running statistics numbers that are no special cases."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=rng) * 0.4)
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.2)
    return module


def samples(graph, count=5, seed=0, scale=1.5):
    rng = np.random.default_rng(seed)
    return {i.name: np.float32(rng.normal(0, scale, (count, *i.shape))) for i in graph.inputs}


def check(model, *shapes, count=5, data=None, batched=True, float64=True):
    """Read a model and hold every output against PyTorch, in float32 and in float64."""
    module = module_of(model)
    source = module if batched else trace(module, list(shapes), batched=False)
    graph = read_torch(source, list(shapes))
    data = samples(graph, count) if data is None else data
    checks = compare_with_source(source, graph, data)
    ran = [c for c in checks if c.vectors]
    assert len(ran) >= (2 if float64 else 1), checks
    return graph


def kinds(graph):
    return [node.op.kind for node in graph.nodes]
