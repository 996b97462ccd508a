"""What all estimators share: parameters, fitting, answers, the way to a graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatewright.base import DataError, OptionError
from gatewright.train.data import (
    Single,
    classes_of,
    features_of,
    held_out,
    numbers_of,
    require_between,
    require_torch,
    require_whole,
)
from gatewright.train.files import load, save
from gatewright.train.graph import graph_of
from gatewright.train.network import Network, Reals
from gatewright.train.progress import told

if TYPE_CHECKING:
    from gatewright.ir import Graph
    from gatewright.train.loop import Epoch, Progress, Schedule, Trace
    from gatewright.train.modules import Trainable


@dataclass(eq=False, kw_only=True)
class Estimator:
    """A network of tables that is fitted to samples.

    Attributes:
        epochs: passes over the samples at most.
        batch: samples a step.
        rate: learning rate of AdamW at its highest; it ends as a cosine.
        decay: weight decay.
        patience: epochs without a better one on the part held out, after which training ends.
        share: part of the samples that is held out where `fit` is given none.
        seed: of everything random. On one processor the same seed gives the same tables.
        device: of PyTorch, `cpu` or `cuda`.
        threads: of PyTorch while it trains; None: as it is.
        verbose: show progress on a terminal.
    """

    family: ClassVar[str] = ""

    epochs: int = 60
    batch: int = 1024
    rate: float = 0.01
    decay: float = 1e-4
    patience: int = 20
    share: float = 0.1
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    verbose: bool = False

    # ---- parameters, as scikit-learn has them

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Change parameters.

        Raises:
            OptionError: there is no such parameter.
        """
        known = [f.name for f in fields(self)]
        for name, value in params.items():
            if name not in known:
                raise OptionError("an estimator has no such parameter", found=name,
                                  supported=", ".join(known))  # fmt: skip
            setattr(self, name, value)
        return self

    def _check(self) -> None:
        """Refuse impossible parameters."""
        for name, low in (("epochs", 1), ("batch", 2), ("patience", 1)):
            require_whole(name, getattr(self, name), low, 1e9)
        require_between("rate", self.rate, 1e-9, 10)
        require_between("decay", self.decay, 0, 10)

    # ---- fitting

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        held: tuple[ArrayLike, ArrayLike] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on samples.

        Args:
            x: (samples, features), numbers.
            y: (samples,) classes; or numbers, (samples,) or (samples, outputs).
            held: samples and their classes or numbers to judge epochs by; by default a `share`
                of the samples is put aside.
            progress: called with (what, done, total).

        Raises:
            DataError: the data are malformed, or all of one class.
            OptionError: a parameter is impossible.
            UnsupportedError: PyTorch is not installed.
        """
        require_torch()
        self._check()
        samples = features_of(x)
        wanted, found = self._targets(y, len(samples))
        if held is None:
            first, second = held_out(len(samples), self.share, self.seed)
            parts = (samples[first], wanted[first]), (samples[second], wanted[second])
        else:
            other = features_of(held[0], samples.shape[1])
            parts = (samples, wanted), (other, self._held_targets(held[1], len(other), found))
        with told(progress, self.verbose) as tell:
            network, trace = self._train(*parts, self._outputs(wanted, found), tell)
        self.network_ = self._finished(network, found, trace)
        self.history_: list[Epoch] = trace.epochs
        self.n_features_in_ = samples.shape[1]
        return self

    def _train(
        self,
        learnt: tuple[Single, NDArray[Any]],
        held: tuple[Single, NDArray[Any]],
        outputs: int,
        tell: Progress | None,
    ) -> tuple[Network, Trace]:
        """Train with PyTorch; leave its own state of random numbers and threads as it was."""
        import torch

        from gatewright.train.loop import Part, Schedule

        device = self._device()
        a, b = (Part(torch.tensor(x, device=device), torch.tensor(y, device=device))
                for x, y in (learnt, held))  # fmt: skip
        schedule = Schedule(
            self.epochs, min(self.batch, len(learnt[0])), self.rate, self.decay, self.patience
        )
        with torch.random.fork_rng(), _threads(self.threads):
            torch.manual_seed(self.seed)
            return self._fit(a, b, schedule, learnt[0], outputs, tell)

    def _fit(
        self, learnt: Any, held: Any, schedule: Schedule, x: Single, outputs: int,
        tell: Progress | None,
    ) -> tuple[Network, Trace]:  # fmt: skip
        """Train a module; return its tables."""
        raise NotImplementedError

    def _run(
        self, module: Trainable, learnt: Any, held: Any, schedule: Schedule, tell: Progress | None
    ) -> Trace:
        """Train a module on the device."""
        from gatewright.train.loop import train

        module.to(learnt.x.device)
        return train(module, learnt, held, schedule, self.seed, self.family, tell)

    def _device(self) -> Any:
        import torch

        try:
            device = torch.device(self.device)
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise OptionError(
                "a device of PyTorch cannot be used",
                found=f"{self.device}: {reason}",
                supported="cpu, cuda where there is one",
            ) from None
        return device

    # ---- what differs between classes and numbers

    def _targets(self, y: ArrayLike, samples: int) -> tuple[NDArray[Any], Any]:
        raise NotImplementedError

    def _held_targets(self, y: ArrayLike, samples: int, found: Any) -> NDArray[Any]:
        raise NotImplementedError

    def _outputs(self, wanted: NDArray[Any], found: Any) -> int:
        raise NotImplementedError

    def _finished(self, network: Network, found: Any, trace: Trace) -> Network:
        raise NotImplementedError

    # ---- answers

    def _fitted(self) -> Network:
        network: Network | None = getattr(self, "network_", None)
        if network is None:
            raise DataError("this estimator has not been fitted", found=type(self).__name__,
                            remedy="call fit(x, y) first")  # fmt: skip
        return network

    def predict_codes(self, x: ArrayLike) -> NDArray[np.int64]:
        """Return the integers that the circuit answers: (samples, outputs)."""
        network = self._fitted()
        return network.predict_codes(features_of(x, network.features))

    def to_graph(self, name: str = "", *, winner: bool = False) -> Graph:
        """Return the exact integer graph, which `gatewright.compile` takes as well.

        Args:
            name: of the model; by default its family's.
            winner: let the circuit answer the position of the winning class, not the sums.
        """
        network = self._fitted()
        if winner and network.classes is None:
            raise OptionError("a model that predicts numbers has no winner", found=self.family)
        return graph_of(network, name or network.family, winner)

    def save(self, path: str | Path) -> Path:
        """Write the tables as `.npz`; `gatewright.train.load` reads them where no PyTorch is."""
        return save(self._fitted(), path)

    @classmethod
    def from_file(cls, path: str | Path, **params: Any) -> Self:
        """Return a fitted estimator of tables that were saved."""
        found, network = cls(**params), load(path)
        if network.family != cls.family:
            raise DataError("a file holds tables of another family", place=str(path),
                            found=network.family, supported=cls.family)  # fmt: skip
        found.network_ = network
        return found


class Classifier(Estimator):
    """Answers classes: the largest of one sum a class."""

    @property
    def classes_(self) -> NDArray[np.generic]:
        """The classes, in order of the outputs."""
        classes = self._fitted().classes
        assert classes is not None
        return classes

    def predict(self, x: ArrayLike) -> NDArray[np.generic]:
        """Return the class of each sample; of equal sums the first."""
        found: NDArray[np.generic] = self.classes_[self.predict_codes(x).argmax(1)]
        return found

    def predict_proba(self, x: ArrayLike) -> Reals:
        """Return probabilities (samples, classes): the softmax of the sums."""
        logits = self.predict_codes(x) * self._fitted().scale
        e = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(e / e.sum(1, keepdims=True))

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy."""
        found = self.predict(x)
        return float((found == np.asarray(y).astype(found.dtype)).mean())

    def _targets(self, y: ArrayLike, samples: int) -> tuple[NDArray[Any], Any]:
        classes, index = classes_of(y, samples)
        return index, classes

    def _held_targets(self, y: ArrayLike, samples: int, found: Any) -> NDArray[Any]:
        array = np.asarray(y).astype(found.dtype)
        if array.shape != (samples,) or not np.isin(array, found).all():
            raise DataError("labels held out do not fit", found=f"shape {array.shape}",
                            supported=f"({samples},) of {', '.join(map(str, found))}")  # fmt: skip
        return np.searchsorted(found, array)

    def _outputs(self, wanted: NDArray[Any], found: Any) -> int:
        return len(found)

    def _finished(self, network: Network, found: Any, trace: Trace) -> Network:
        zeros = np.zeros(len(found))
        return replace(network, classes=found, offset=zeros, facts=_facts(self, trace, "accuracy"))


class Regressor(Estimator):
    """Answers numbers, one or several."""

    def predict(self, x: ArrayLike) -> Reals:
        """Return the numbers of each sample: (samples,), or (samples, outputs) of several."""
        codes, network = self.predict_codes(x), self._fitted()
        y = codes * network.scale + network.offset
        return y[:, 0] if y.shape[1] == 1 else y

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the part of the variance that is explained (R2), the mean over outputs."""
        found = self.predict(x)
        wanted = np.asarray(y, np.float64).reshape(found.shape)
        rest = ((wanted - found) ** 2).mean(0)
        return float(np.mean(1 - rest / np.maximum(wanted.var(0), 1e-300)))

    def _targets(self, y: ArrayLike, samples: int) -> tuple[NDArray[Any], Any]:
        numbers = numbers_of(y, samples)
        with np.errstate(over="ignore"):  # told below
            mean = numbers.mean(0)
        spread = float(np.sqrt(((numbers - mean).astype(np.float64) ** 2).mean()))
        if not math.isfinite(spread):
            raise DataError("what is to be predicted is too large for float32 sums",
                            found=float(np.abs(numbers).max()))  # fmt: skip
        if spread == 0:
            raise DataError("what is to be predicted is the same for all samples",
                            found=numbers.reshape(-1)[0])  # fmt: skip
        return (numbers - mean) / spread, (mean.astype(np.float64), spread)

    def _held_targets(self, y: ArrayLike, samples: int, found: Any) -> NDArray[Any]:
        mean, spread = found
        numbers = numbers_of(y, samples)
        if numbers.shape[1] != len(mean):
            raise DataError("what is to be predicted has another shape where it is held out",
                            found=numbers.shape[1], supported=len(mean))  # fmt: skip
        return np.asarray((numbers - mean.astype(np.float32)) / np.float32(spread))

    def _outputs(self, wanted: NDArray[Any], found: Any) -> int:
        return int(wanted.shape[1])

    def _finished(self, network: Network, found: Any, trace: Trace) -> Network:
        mean, spread = found
        facts = _facts(self, trace, "R2")
        return replace(network, scale=network.scale * spread, offset=mean, facts=facts)


def _facts(estimator: Estimator, trace: Trace, measure: str) -> dict[str, str]:
    best = trace.epochs[trace.best]
    return {
        "model": type(estimator).__name__,
        "trained": f"{len(trace.epochs)} epochs, the best {best.number + 1}",
        f"{measure} held out": f"{best.held_out:.4f}",
    }


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let PyTorch use so many threads for a while."""
    import torch

    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
