"""Say how good a quantized model is: the task's metric, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewright.base import DataError, OptionError, Place
from gatewright.ir import Graph, Reals
from gatewright.ops import Argmax
from gatewright.ops.functions import sigmoid
from gatewright.quantize.data import Part
from gatewright.quantize.forward import decode, forward
from gatewright.quantize.sensitivity import score_value

ACCURACY, ERROR = "accuracy", "relative output error"

IMAGINED_CHANGE = 0.05
"""Difference of two classes' probabilities where an answer changes, as is common."""


@dataclass(frozen=True)
class Score:
    """What a model reached on some samples.

    Attributes:
        metric: accuracy, or relative output error.
        loss: how much worse than the real model: accuracy lost, or the error itself.
        risk: what decides. With labels: twice the loss that the real model's own probabilities
            expect of the changed answers, plus one standard error; or the loss counted less one
            standard error, if that is larger. Without: the loss.
        smooth: a loss that changes little by chance, to compare near candidates with.
    """

    metric: float
    loss: float
    risk: float
    smooth: float


class Judge:
    """Scores quantized models on one part of the data against the real model.

    With labels, `scores` are what the real model has before softmax, sigmoid or argmax, (samples,
    classes or 1).
    """

    def __init__(self, graph: Graph, part: Part, temperature: float = 1.0) -> None:
        """Run the real model.

        Raises:
            DataError: labels do not fit the model's output.
        """
        self.graph, self.part, self.temperature = graph, part, temperature
        self.name = ERROR if part.labels is None else ACCURACY
        before_link = self._score_value()
        values = forward(graph, part.inputs, keep=before_link)
        self.outputs = decode(graph, values)
        self.real = 0.0
        if part.labels is not None:
            (scores,) = (values[name] for name in before_link)
            self._start_labels(scores, part.labels)

    def _score_value(self) -> tuple[str, ...]:
        """Return the value before softmax, sigmoid or argmax; none without labels."""
        if self.part.labels is None:
            return ()
        if len(self.graph.outputs) != 1:
            raise DataError(
                "labels need a model with one output",
                place=self.graph.source,
                found=f"{len(self.graph.outputs)} outputs",
                remedy="leave labels out: the relative output error decides then",
            )
        return (score_value(self.graph, self.graph.outputs[0]),)

    def _start_labels(self, scores: Reals, labels: NDArray[np.int64]) -> None:
        self.answers = self._answers(self.outputs)
        self.scores = scores.reshape(len(scores), -1)
        self.classes = max(self.scores.shape[1], 2)
        if labels.max(initial=0) >= self.classes:
            raise DataError(
                "a label names no class of the model",
                place=Place(self.graph.source, attribute="labels"),
                found=int(labels.max()),
                supported=f"0 to {self.classes - 1}",
            )
        self.chances = probabilities(self.scores, self.temperature)
        self.real = float((self.answers == labels).mean())

    @property
    def doubt(self) -> float:
        """What `smooth` says of a model that answers as the real one does."""
        return 0.0 if self.part.labels is None else IMAGINED_CHANGE / len(self.part.labels)

    def _answers(self, outputs: dict[str, Reals]) -> NDArray[np.int64]:
        """Return the class that each output means."""
        (y,) = outputs.values()
        output = self.graph.outputs[0]
        ops = {node.name: node.op for node in self.graph.nodes}
        last = output.decode[-1] if output.decode else ops.get(output.value)
        if isinstance(last, Argmax):
            return y.reshape(len(y)).astype(np.int64)
        flat = y.reshape(len(y), -1)
        if flat.shape[1] > 1:
            return np.asarray(flat.argmax(1), np.int64)
        has_sigmoid = bool(output.decode) or score_value(self.graph, output) != output.value
        return (flat[:, 0] > (0.5 if has_sigmoid else 0.0)).astype(np.int64)

    def score(self, graph: Graph) -> Score:
        """Return how good a quantized graph is."""
        return self.compare(decode(graph, forward(graph, self.part.inputs)))

    def compare(self, outputs: dict[str, Reals]) -> Score:
        """Return how good a model's outputs are."""
        if self.part.labels is None:
            error = relative_error(self.outputs, outputs)
            return Score(error, error, error, error)
        answers = self._answers(outputs)
        accuracy = float((answers == self.part.labels).mean())
        rows = np.arange(len(answers))
        change = self.chances[rows, self.answers] - self.chances[rows, answers]
        # Counted on labels, a loss of 0.2 points drowns in chance even on 10,000 samples. What the
        # real model thinks of the answers that changed says the same with a tenth of the error.
        # One imagined change keeps the error from being 0 where none was seen. Twice: half of the
        # tolerance is left to the chance of the sample on which a user counts again.
        n = len(answers)
        counted = (self.answers == self.part.labels) != (answers == self.part.labels)
        expected = float(change.mean())
        smooth = expected + float(np.sqrt((change**2).sum() + IMAGINED_CHANGE**2) / n)
        loss = self.real - accuracy
        veto = loss - float(np.sqrt(counted.sum() + 1) / n)
        return Score(accuracy, loss, max(expected + smooth, veto), smooth)


def relative_error(real: dict[str, Reals], other: dict[str, Reals]) -> float:
    """Return the root mean square error, relative to the spread of the real outputs.

    The spread is the root mean square distance from each element's mean, over all elements, so
    that an element that hardly moves does not dominate; of outputs that never move it is their
    size. Of several outputs the worst counts.
    """
    worst = 0.0
    for name, y in real.items():
        spread = float(np.sqrt(((y - y.mean(0)) ** 2).mean()))
        error = float(np.sqrt(((other[name] - y) ** 2).mean()))
        if spread <= 1e-12 * float(np.abs(y).max(initial=0.0)):
            spread = float(np.sqrt((y**2).mean())) or 1.0
        worst = max(worst, error / max(spread, 1e-300) if error else 0.0)
    return worst


def probabilities(scores: Reals, temperature: float) -> Reals:
    """Return (samples, classes)."""
    if scores.shape[1] == 1:
        p = sigmoid(scores / temperature)
        return np.concatenate([1 - p, p], axis=1)
    z = scores / temperature
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True), np.float64)


def best_temperature(scores: Reals, labels: NDArray[np.int64]) -> float:
    """Return the temperature at which the scores' probabilities fit the labels best.

    Source: Guo et al., arXiv:1706.04599.
    """
    rows = np.arange(len(labels))

    def surprise(log_t: float) -> float:
        p = probabilities(scores, float(np.exp(log_t)))[rows, labels]
        return float(-np.log(np.maximum(p, 1e-300)).mean())

    grid = np.linspace(np.log(1e-3), np.log(1e2), 24)
    at = int(np.argmin([surprise(t) for t in grid]))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    for _ in range(20):
        a, b = low + (high - low) * 0.382, low + (high - low) * 0.618
        low, high = (low, b) if surprise(a) < surprise(b) else (a, high)
    return float(np.exp((low + high) / 2))


def check_tolerance(tolerance: float | None, labelled: bool) -> float:
    """Return the tolerance, or the default.

    The defaults: 0.002 of accuracy (0.2 points); 0.02 of the outputs' spread, which adds 0.02 % to
    it in quadrature.

    Raises:
        OptionError: it is no number between 0 and 1.
    """
    if tolerance is None:
        return 0.002 if labelled else 0.02
    if (
        isinstance(tolerance, bool)
        or not isinstance(tolerance, int | float | np.floating)
        or not 0 < tolerance < 1
    ):
        raise OptionError(
            "the tolerance is out of range",
            found=tolerance,
            supported="a number between 0 and 1: accuracy that may be lost (with labels), or the "
            "output's error relative to its spread",
        )
    return float(tolerance)
