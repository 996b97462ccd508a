"""Let the quantizers of a Brevitas model say what they are while the model is exported.

`torch.export` cannot follow Brevitas' quantized tensors. Brevitas' own way to QONNX replaces every
quantizer by one operator of QONNX with its scale, zero point and width; the same way is gone here
as far as PyTorch's program, which `qonnx` then reads. Brevitas is imported only where a module of
it is in the model. Rules read from and held against Brevitas 0.12 and 0.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gatewright.base import UnsupportedError

OWN_HANDLERS = ("_QuantLSTMLayer", "_QuantRNNLayer")
"""Layers that Brevitas exports as one operator of their own, which nothing reads."""


def is_brevitas(module: torch.nn.Module) -> bool:
    """Say whether a module is made of Brevitas' classes, in part at least."""
    return any(type(part).__module__.partition(".")[0] == "brevitas" for part in module.modules())


@contextmanager
def quantizers_told(module: torch.nn.Module, tensors: list[torch.Tensor]) -> Iterator[None]:
    """Let Brevitas' quantizers stand as operators of QONNX in an exported program for a while.

    Args:
        module: in evaluation mode.
        tensors: example inputs; a run of them tells biases the scales of their inputs.

    Raises:
        UnsupportedError: a layer or a quantizer that Brevitas itself does not export.
    """
    if not is_brevitas(module):
        yield
        return
    _refuse_unknown(module)
    try:
        from brevitas.export.manager import ExportContext
        from brevitas.export.onnx.qonnx.manager import QONNXDynamoManager as Manager
    except ImportError as error:
        raise UnsupportedError(
            "this version of Brevitas cannot be exported",
            found=str(error),
            supported="Brevitas from 0.13 on",
            remedy="pip install --upgrade brevitas; or export to QONNX and give the file",
        ) from None
    with ExportContext(Manager):
        module.apply(Manager.set_export_handler)
        try:
            Manager._cache_inp_out(module, *tensors)
            Manager.set_export_mode(module, enabled=True)
            try:
                _prepare(module)
                yield
            finally:
                Manager.set_export_mode(module, enabled=False)
        except AssertionError as error:  # how its handlers refuse
            raise UnsupportedError(
                "Brevitas does not export one of the model's quantizers",
                found=str(error),
                supported="integer and minifloat quantizers of tensors and channels",
            ) from None
        finally:
            for part in _proxies(module):
                part.export_handler = None


def _proxies(module: torch.nn.Module) -> list[Any]:
    """Return what Brevitas gave an export handler."""
    return [p for p in module.modules() if getattr(p, "export_handler", None) is not None]


def _prepare(module: torch.nn.Module) -> None:
    """Send what handlers emit into the program, with the rounding mode that the module has.

    Brevitas writes ROUND for weights whatever they are rounded by, and leaves them unrounded.
    """
    for proxy in _proxies(module):
        handler = proxy.export_handler
        handler.export_op = _emit
        known = getattr(handler, "symbolic_kwargs", None)
        if known and "rounding_mode" in known and hasattr(proxy, "rounding_mode"):
            known["rounding_mode"] = proxy.rounding_mode


def _emit(op: Any, *args: Any) -> Any:
    """Put an operator of QONNX into the program."""
    return op.dynamo.apply(*args)


def _refuse_unknown(module: torch.nn.Module) -> None:
    for name, part in module.named_modules():
        kind = type(part)
        if kind.__module__.partition(".")[0] == "brevitas" and kind.__name__ in OWN_HANDLERS:
            raise UnsupportedError(
                "a quantized recurrent layer of Brevitas is not handled",
                place=f"{type(module).__name__}, {name}",
                found=kind.__name__,
                supported="linear, convolution, pooling and activation layers of Brevitas",
                remedy="build the recurrence from QuantLinear and quantized activations",
            )
