"""Layers of a user's own: what a handler gets, gives and must read; the same for all frameworks.

A handler is a function that builds a graph's operations from one use of a layer. It is given to
`gatewright.compile` in a dictionary, under the name that the model has for the class:

- Keras: the class's name, or `package>name` where it was registered with a package;
- ONNX: `domain.operator`;
- PyTorch: the module's class, `package.module.Class`, or the custom operator, `namespace::name`.

See the guide `your-own-layers.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from gatewright.base import GatewrightError, ModelError, OptionError, Place, UnsupportedError
from gatewright.frontends.recipes.emitter import Emitter, Tensor
from gatewright.ir import Op, Reals

T = TypeVar("T", bound=Tensor)

REQUIRED: Any = object()
"""Stands for the default of an option that must be there."""


class WeightSource(Protocol):
    """Finds the weights of one layer."""

    def __call__(self, *names: str) -> Sequence[np.ndarray]:
        """Return as many arrays as names, all that the layer has."""


@dataclass(eq=False)
class CustomLayer(Generic[T]):
    """One use of a layer of a user's own, as its handler sees it.

    Attributes:
        kind: the name of the class, as the model has it.
        name: of the layer.
        inputs: its tensors in the order of the call; `.shape` is that of one sample, without the
            batch, channels last where the frontend turns them.
    """

    kind: str
    name: str
    place: Place
    inputs: tuple[T, ...]
    config: Mapping[str, Any]
    source: WeightSource
    emitter: Emitter[T]
    _read: set[str] = field(default_factory=set)
    _weighed: bool = False

    def option(self, name: str, default: Any = REQUIRED) -> Any:
        """Return an entry of the layer's configuration; every entry must be asked for.

        Raises:
            ModelError: it is not there, and there is no default.
        """
        self._read.add(name)
        if name not in self.config and default is REQUIRED:
            raise ModelError(
                "a layer's configuration lacks an entry",
                place=self.at(name),
                found=", ".join(sorted(self.config)) or "nothing",
            )
        return self.config.get(name, default)

    def weights(self, *names: str) -> list[Reals]:
        """Return all arrays of the layer as float64, under names that messages will use.

        A `.keras` file and an ONNX node hold arrays in order (Keras: trainable ones first, each in
        order of creation), an `.h5` file and a PyTorch module by name.

        Raises:
            ModelError: the layer has others, or more, or fewer; or one is not finite.
        """
        self._weighed = True
        arrays = [np.asarray(array, np.float64) for array in self.source(*names)]
        for name, array in zip(names, arrays, strict=True):
            if not np.isfinite(array).all():
                raise ModelError("a weight is NaN or infinite", place=self.at(name))
        return arrays

    def emit(self, op: Op, *inputs: T, suffix: str = "", part: str = "", tie: str = "") -> T:
        """Append an operation and return its result; see `recipes.emitter.Emitter`."""
        return self.emitter.emit(op, *inputs, suffix=suffix, part=part, tie=tie)

    def at(self, entry: str) -> Place:
        """Return where an entry of the configuration is, for an error."""
        return Place(self.place.source, self.place.layer, entry)

    def refuse(self, what: str, *, found: object, supported: object = None, remedy: str = "") -> (
        GatewrightError
    ):  # fmt: skip
        """Return an error at this layer, to be raised."""
        return UnsupportedError(
            what, place=self.place, found=found, supported=supported, remedy=remedy
        )

    def build(self, handler: CustomHandler) -> list[T]:
        """Run a handler and return the layer's results.

        Raises:
            GatewrightError: the handler raised it, or left something of the layer unread.
        """
        found = handler(self)
        results = list(found) if isinstance(found, tuple | list) else [found]
        if not results or not all(hasattr(result, "shape") for result in results):
            raise ModelError(
                "the handler of a layer gives no tensors",
                place=self.place,
                found=f"{type(found).__name__} from the handler of {self.kind}",
                supported="what `emit` returned, or a list of these",
            )
        unread = sorted(set(self.config) - self._read)
        if unread:
            raise UnsupportedError(
                "the handler of a layer does not read all of its configuration",
                place=self.at(unread[0]),
                found=", ".join(unread),
                supported=", ".join(sorted(self._read)) or "no entries",
                remedy="read each entry with `layer.option(name)`; refuse values that the handler "
                "does not build",
            )
        if not self._weighed:
            self.weights()  # an error where the layer has some
        return results


CustomHandler = Callable[[CustomLayer[Any]], Any]
"""Builds the operations of one use of a layer, and returns its result or a list of results."""

_HANDLERS: ContextVar[Mapping[str, CustomHandler]] = ContextVar("handlers", default={})  # noqa: B039


@contextmanager
def using(handlers: Mapping[str, CustomHandler] | None) -> Iterator[None]:
    """Let frontends find a user's handlers while a model is read.

    Raises:
        OptionError: they are no functions by name.
    """
    handlers = {} if handlers is None else handlers
    if not isinstance(handlers, Mapping) or not all(
        isinstance(name, str) and callable(handler) for name, handler in handlers.items()
    ):
        raise OptionError(
            "handlers of custom layers are given by name",
            found=handlers,
            supported='a dictionary such as {"MyLayer": build_my_layer}',
        )
    token = _HANDLERS.set(dict(handlers))
    try:
        yield
    finally:
        _HANDLERS.reset(token)


def custom_handler(*names: str) -> CustomHandler | None:
    """Return the user's handler under the first of some names that has one."""
    handlers = _HANDLERS.get()
    return next((handlers[name] for name in names if name in handlers), None)


def refuse_known(name: str, place: Place) -> None:
    """Refuse a user's handler for a class that has one already.

    Raises:
        OptionError: there is one.
    """
    if custom_handler(name) is not None:
        raise known(name, place)


def known(name: str, place: Place) -> OptionError:
    """Return the error about a handler for a class that has one already."""
    return OptionError(
        "a handler was given for a layer that is handled already",
        place=place,
        found=name,
        supported="layers of your own",
        remedy="give your layer's class another name, or leave the handler out",
    )
