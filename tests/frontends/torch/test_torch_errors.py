"""What of PyTorch is refused says where it is, what was found, and what to do."""

import numpy as np
import pytest
from torch_models import Of, check, randomize, read_torch, torch, trace

from gatewright.base import DataError, GatewrightError, ModelError, UnsupportedError
from gatewright.frontends import read_model

nn = torch.nn


def refused(function, *shapes, match, **parts):
    model = function if isinstance(function, nn.Module) else Of(function, **parts)
    with pytest.raises(GatewrightError, match=match) as caught:
        read_torch(model, list(shapes))
    return str(caught.value)


def test_samples_must_not_meet():
    text = refused(lambda x: x - x.mean(0, keepdim=True), (4,), match="works along the batch")
    assert "torch_models.py:" in text  # the line of the module's forward
    assert "layer 'mean'" in text
    refused(lambda x: x.view(-1, 2, 4)[:, 0], (4,), match="cannot express|between samples|joins")
    refused(lambda x: torch.flip(x, [0]), (4,), match="moves elements between samples")
    refused(lambda x: x.t() @ x, (4,), match="different axes|along the batch")
    refused(lambda x: x.max(), (4,), match="along the batch|not handled")
    refused(lambda x: x + torch.arange(x.shape[0])[:, None], (4,), match="differs along the batch")


def test_flow_that_data_decide():
    def forward(x):
        return x * 2 if x.sum() > 0 else x

    text = refused(forward, (4,), match=r"torch\.export cannot express the module")
    assert "torch.where" in text


def test_operators_without_meaning():
    text = refused(lambda x: torch.fft.fft(x).real, (4,), match="an operation|a type of numbers")
    assert "_fft" in text or "complex" in text
    refused(lambda x: torch.linalg.inv(x @ x.mT), (3, 3), match="an operation of PyTorch is not")
    refused(lambda x: x + torch.rand(4), (4,), match="the module draws random numbers")
    refused(lambda x: x.half() * 2, (4,), match="a type of numbers that has no exact meaning")
    refused(lambda x: x.to(torch.int32) * x, (4,), match="a conversion to integers drops fractions")
    refused(lambda x: torch.div(x, 2.0, rounding_mode="floor"), (4,), match="not handled")
    refused(lambda x: x / torch.tensor([1.0, 0.0]), (2,), match="a division by zero")
    refused(lambda x: x.to_sparse(), (4,), match=".")


def test_training_leftovers():
    model = nn.BatchNorm1d(4, track_running_stats=False)
    text = refused(model, (4,), match="uses the statistics of the batch")
    assert "track_running_stats" in text
    program = torch.export.export(nn.Dropout(0.5).train(), (torch.zeros(1, 4),))
    with pytest.raises(UnsupportedError, match="a dropout is active"):
        read_torch(program)
    layer = nn.Dropout(0.5).train()
    check(layer, (4,))
    assert layer.training  # evaluation mode is for the export alone


def test_state_between_calls():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("last", torch.zeros(4))

        def forward(self, x):
            self.last.copy_(x[0])
            return x * 2

    refused(Counter(), (4,), match="changes its own state|between samples|along the batch")


def test_weights_that_are_not_numbers():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight[0, 1] = torch.nan
    text = refused(layer, (3,), match="NaN or infinity")
    assert "1 of 6" in text


def test_outputs_that_are_constant():
    refused(lambda x: (x, torch.ones(3)), (4,), match="does not depend on its input")


def test_inputs_must_be_told():
    with pytest.raises(DataError, match="does not say which shape its input has"):
        read_model(nn.Linear(3, 2))
    with pytest.raises(DataError, match="not named as the arguments"):
        read_model(nn.Linear(3, 2), inputs={"z": (3,)})
    with pytest.raises(DataError, match="impossible shape"):
        read_model(nn.Linear(3, 2), inputs=(0,))
    with pytest.raises(UnsupportedError, match="is no model"):
        read_torch({"weight": torch.zeros(3)})
    graph = read_model(nn.Linear(3, 2), inputs={"input": np.zeros((5, 3), np.float32)})
    assert [i.shape for i in graph.inputs] == [(3,)]


def test_programs_without_a_batch():
    class Two(nn.Module):
        def forward(self, x, e):
            return x @ e

    program = torch.export.export(Two(), (torch.zeros(3, 2), torch.zeros(2, 4)))
    with pytest.raises(UnsupportedError, match="an input has no batch as its first axis") as caught:
        read_torch(program)
    assert "batched=False" in str(caught.value)
    assert read_torch(trace(Two(), [(3, 2), (2, 4)], batched=False)).inputs[1].shape == (2, 4)


def test_several_errors_are_told_at_once():
    model = nn.Sequential(nn.Linear(4, 4), Of(torch.fft.fft), Of(torch.real))
    refused(model, (4,), match="type of numbers|not handled")
    text = refused(
        lambda x: (torch.flip(x, [0]), x + torch.rand(4), x.mean(0)), (4,), match=r"\[3/3\]"
    )
    assert text.count("at:") == 3


def test_a_batch_of_one_and_an_unknown_length():
    layer = randomize(nn.Linear(4, 3))
    one = torch.export.export(layer, (torch.zeros(1, 4),))
    check_program(one)
    many = torch.export.export(
        layer, (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    check_program(many)
    wide = torch.export.export(
        nn.ReLU(), (torch.zeros(2, 4),), dynamic_shapes=({1: torch.export.Dim("n")},)
    )
    with pytest.raises(UnsupportedError, match="a length that is not known"):
        read_torch(wide)


def check_program(program):
    from torch_models import compare_with_source, samples

    graph = read_torch(program)
    checks = compare_with_source(program, graph, samples(graph))
    assert [c.vectors for c in checks] == [5, 5]


def test_complex_parameters():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(4, dtype=torch.complex64))

        def forward(self, x):
            return (x * self.factor).abs()

    with pytest.raises((UnsupportedError, ModelError), match="type of numbers"):
        read_torch(Turned(), (4,))
