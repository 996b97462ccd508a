"""Find a layer's weights in the three layouts that Keras has written."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from gatewright.base import ModelError, Place
from gatewright.frontends.keras.hdf5 import Array, Hdf5

UNUSED = ("i_decay_speed", "cost_beta", "cost_ebops")
"""Variables of HGQ2 that act in training only; the first is often infinite."""


OLD_ROOT = "_layer_checkpoint_dependencies"
"""What Keras 2.12 and 2.13 wrote in place of `layers`."""


@dataclass(frozen=True)
class Address:
    """Where a layer stands.

    Attributes:
        names: the layer's name, after those of the models it is nested in.
        path: its group in a `.keras` file: `layers/<class>_<number>`, nested likewise.
        wrapped: it stands in another layer (a direction, a layer applied to each step): `.h5` files
            may leave its name out.
    """

    names: tuple[str, ...]
    path: str
    wrapped: bool = False

    def inside(self, name: str, part: str) -> Address:
        """Return the address of a layer that this one wraps, in its group `part`."""
        return Address((*self.names, name), f"{self.path}/{part}", True)


class Weights(ABC):
    """The weights of a model file."""

    def __init__(self, file: Hdf5) -> None:
        self.file = file

    @abstractmethod
    def arrays(
        self, address: Address, names: tuple[str, ...], part: str, place: Place
    ) -> list[Array]:
        """Return a layer's arrays in the order of `names`.

        Args:
            address: of the layer.
            names: every variable that the layer has, in the order in which Keras writes them
                (trainable before other ones, each in order of creation).
            part: a sublayer, such as `kq/quantizer`; empty for the layer's own variables.
            place: for messages.

        Raises:
            ModelError: there are other weights than `names` says, or one is not finite.
        """

    def has(self, address: Address, part: str) -> bool:
        """Say whether there are weights of a sublayer; only `.keras` files tell them apart."""
        return False

    def _wrong(self, place: Place, names: tuple[str, ...], found: object) -> ModelError:
        return ModelError(
            "a layer's weights are not what its configuration asks for",
            place=place,
            found=found,
            supported=f"weights {', '.join(names)}",
            remedy="save the whole model again with `model.save`",
        )


class NumberedWeights(Weights):
    """The layout of `.keras`: groups named by class, arrays `vars/0`, `vars/1`, ..."""

    def __init__(self, file: Hdf5) -> None:
        super().__init__(file)
        self._root = OLD_ROOT if file.has(OLD_ROOT) and not file.has("layers") else "layers"

    def _path(self, address: Address) -> str:
        return address.path.replace("layers/", f"{self._root}/")

    def has(self, address: Address, part: str) -> bool:
        """Say whether the file has a group of the sublayer."""
        return self.file.has("/".join(filter(None, (self._path(address), part))))

    def arrays(
        self, address: Address, names: tuple[str, ...], part: str, place: Place
    ) -> list[Array]:
        """Return `vars/0`, `vars/1` ... of the layer's group."""
        path = self._path(address)
        own = self.file.attribute(f"{path}/vars", "name")
        if own is not None and own != address.names[-1]:
            raise self._wrong(place, names, f"weights of a layer called {own!r} in {path!r}")
        group = "/".join(filter(None, (path, part, "vars")))
        there = self.file.children(group)
        # QKeras stores a counter under its own name, among the numbers.
        numbered = [name for name in names if name not in there]
        keys = {name: name for name in names} | {n: str(i) for i, n in enumerate(numbered)}
        if there != sorted(keys.values()):
            raise self._wrong(place, names, f"{len(there)} arrays in {group!r}")
        found = [self.file.array(f"{group}/{keys[name]}", place) for name in names]
        arrays = [array for array in found if array is not None]
        if len(arrays) != len(names):
            raise self._wrong(place, names, f"groups in place of arrays in {group!r}")
        return check_finite(names, arrays, place)


class NamedWeights(Weights):
    """The layout of `.h5`: a group for each outer layer, with the names of its arrays."""

    def arrays(
        self, address: Address, names: tuple[str, ...], part: str, place: Place
    ) -> list[Array]:
        """Return the arrays that bear the layer's and the variables' names.

        Of sublayers only a recurrent layer's cells are told apart, `cell` or `cell/cells/<name>`.
        """
        if part and part.split("/")[0] != "cell":
            raise self._wrong(place, names, "a .h5 file, which does not tell sublayers apart")
        group = f"model_weights/{address.names[0]}"
        if not self.file.has(group):
            raise self._wrong(place, names, f"no group {group!r}")
        paths = self.file.names(group, "weight_names")
        if part:
            own = part.split("/")[-1] if part != "cell" else ""
            for name in filter(None, (*address.names[1:], own)):
                paths = [p for p in paths if name in p.split("/")[:-1]] or paths
        elif len(address.names) > 1:
            mine = [p for p in paths if p.split("/")[-2:-1] == [address.names[-1]]]
            paths = mine if mine or not address.wrapped else paths
        stems = [re.sub(r":\d+$", "", path.split("/")[-1]) for path in paths]
        if sorted(stems) != sorted(names):
            raise self._wrong(place, names, f"weights {', '.join(stems) or 'none'} in {group!r}")
        arrays = []
        for name in names:
            array = self.file.array(f"{group}/{paths[stems.index(name)]}", place)
            if array is None:
                raise self._wrong(place, names, f"no array {paths[stems.index(name)]!r}")
            arrays.append(array)
        return check_finite(names, arrays, place)


def check_finite(names: tuple[str, ...], arrays: list[Array], place: Place) -> list[Array]:
    """Return the arrays, all of them finite but for those that act in training only."""
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind == "f" and name not in UNUSED and not np.isfinite(array).all():
            raise ModelError(
                "a weight is NaN or infinite",
                place=Place(place.source, place.layer, name),
                found=f"{int((~np.isfinite(array)).sum())} of {array.size} numbers",
                supported="finite weights",
                remedy="the training diverged: train again, or restore an earlier checkpoint",
            )
    return arrays


OTHER_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes that Keras exports under another name; groups follow the class's own."""


def group_name(class_name: str) -> str:
    """Return the group that `.keras` files use for a class: its name in snake case."""
    name = re.sub(r"\W+", "", OTHER_NAMES.get(class_name, class_name))
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()
