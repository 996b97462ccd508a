"""YDF (Yggdrasil decision forests): live models, through its own view of their trees.

A node asks `float32(x) >= threshold`: its negative child is on the left here. Inputs are columns in
the order of `model.input_feature_names()`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import Place, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.heads import HALF, LINKS, as_graph, centred
from gatewright.frontends.trees.nodes import MOST_CATEGORIES, Built, Comparison, Tree, build
from gatewright.ir import Graph, Reals
from gatewright.num import Ints

SINGLE = Comparison(inclusive=False, single=True)
EVERYTHING = float(np.finfo(np.float32).max)
"""Below it lies every number but the largest, where only what is missing is asked for."""

LINK_OF = {"IDENTITY": "identity", "SIGMOID": "sigmoid", "SOFTMAX": "softmax", "EXPONENTIAL": "exp"}
"""Links by what a model calls its activation."""


def read_ydf(model: Any) -> Graph:
    """Read a live YDF model: gradient boosted trees or a random forest.

    Raises:
        UnsupportedError: another kind of model, oblique splits, categories that are words.
    """
    built, link, classes = build_ydf(model)
    names = list(model.input_feature_names())
    facts = {"framework": "YDF", "class": type(model).__name__, "features": ", ".join(names)[:1000]}
    if classes:
        facts["classes"] = ", ".join(classes)[:1000]
    kind = type(model).__name__
    ops = centred() if link == "centred" else LINKS[link]
    return as_graph(
        built, ops, name=kind.lower(), source=kind, facts=facts, nans=True,
        features=names, classes=classes,
    )  # fmt: skip


def list_ydf(model: Any) -> list[Listed]:
    """List what a YDF model is made of."""
    return [Listed("forest", type(model).__name__)]


def build_ydf(model: Any) -> tuple[Built, str, list[str]]:
    """Return the forest of a model, its link, and the names of its classes."""
    kind = type(model).__name__
    task = model.task().name
    if kind not in ("GradientBoostedTreesModel", "RandomForestModel") or task not in (
        "CLASSIFICATION", "REGRESSION", "RANKING",
    ):  # fmt: skip
        raise UnsupportedError(
            "a kind of YDF model is not read",
            place=kind,
            found=f"{kind}, {task.lower()}",
            supported="gradient boosted trees and random forests; classification, regression, "
            "ranking",
        )
    classes = list(map(str, model.label_classes())) if task == "CLASSIFICATION" else []
    columns = {f.column_idx: k for k, f in enumerate(model.input_features())}
    spec = model.data_spec()
    place = Place(kind)
    if kind == "RandomForestModel":
        votes = bool(classes) and _votes(model)
        outputs = len(classes) if len(classes) > 2 else 1
        two = len(classes) == 2
        base, link = np.full(outputs, -HALF if two else 0.0), "centred" if two else "identity"
        share = 1 / model.num_trees()
    else:
        base = np.atleast_1d(np.asarray(model.initial_predictions(), np.float64))
        raw = bool(classes) and model.output_logits()
        word = "IDENTITY" if raw else model.activation().name
        if word not in LINK_OF:
            raise UnsupportedError(
                "a loss of YDF is not known", place=place, found=word, supported=", ".join(LINK_OF)
            )
        outputs, link, share, votes = len(base), LINK_OF[word], 1.0, False
    trees = []
    for k, tree in enumerate(model.iter_trees()):
        maker = _Maker(columns, spec, Place(kind, f"tree {k}"))
        flat = maker.tree(tree.root)
        value = np.zeros((len(flat[0]), outputs))
        for n, leaf in maker.leaves:
            value[n] = _value(leaf, outputs, k % outputs, votes) * share
        trees.append(Tree(*flat, value, maker.sets))
    return build(trees, len(columns), base, SINGLE, place), link, classes


def as_columns(model: Any, x: Reals) -> dict[str, np.ndarray]:
    """Return samples as a model takes them: a column for each feature, by name."""
    found = {}
    for feature, values in zip(model.input_features(), x.T, strict=True):
        found[feature.name] = values.astype(np.float32)
        if feature.semantic.name == "CATEGORICAL":
            found[feature.name] = np.nan_to_num(values, nan=0.0).astype(np.int64)
    return found


def _value(leaf: Any, outputs: int, output: int, votes: bool) -> Reals:
    """Return the numbers of a leaf."""
    found = np.zeros(outputs)
    shares = getattr(leaf.value, "probability", None)
    if shares is None:
        found[output] = leaf.value.value
        return found
    given = np.asarray(shares, np.float64)
    if votes:
        given = np.eye(len(given))[given.argmax()]
    return given[1:] if outputs == 1 else given


def _votes(model: Any) -> bool:
    """Say whether each tree of a random forest votes for one class: a field of its saved header."""
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        model.save(str(Path(folder) / "model"))
        data = (Path(folder) / "model" / "random_forest_header.pb").read_bytes()
    fields = dict(_fields(data))
    return bool(fields.get(3, 1))  # winner_take_all_inference, true where it is left out


def _fields(data: bytes) -> Iterator[tuple[int, int]]:
    """Return the integer fields of a protocol buffer's message."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
        elif kind == 2:
            at += varint()
        else:
            at += {1: 8, 5: 4}[kind]


class _Maker:
    """Turns nested nodes into arrays, parents first, negative children before positive ones."""

    def __init__(self, columns: dict[int, int], spec: Any, place: Place) -> None:
        self.columns, self.spec, self.place = columns, spec, place
        self.sets: dict[int, Ints] = {}
        self.turned: list[int] = []
        self.leaves: list[tuple[int, Any]] = []

    def tree(self, root: Any) -> tuple[Ints, Reals, Ints, Ints, np.ndarray]:
        feature: list[int] = []
        threshold: list[float] = []
        missing: list[bool] = []
        left: list[int] = []
        right: list[int] = []
        waiting: list[tuple[Any, int, bool]] = [(root, -1, False)]
        while waiting:
            node, parent, positive = waiting.pop()
            number = len(feature)
            if parent >= 0:
                (right if positive else left)[parent] = number
            where, least, absent = 0, 0.0, False
            if hasattr(node, "condition"):
                where, least, absent = self.question(node.condition, number)
                waiting += [(node.pos_child, number, True), (node.neg_child, number, False)]
            else:
                self.leaves.append((number, node))
            feature.append(where)
            threshold.append(least)
            missing.append(absent)
            left.append(-1)
            right.append(-1)
        for n in self.turned:  # what is in the set goes to the positive child
            left[n], right[n] = right[n], left[n]
        return (
            np.array(feature),
            np.array(threshold),
            np.array(left),
            np.array(right),
            np.array(missing),
        )

    def question(self, condition: Any, number: int) -> tuple[int, float, bool]:
        """Return feature, threshold, and whether what is missing goes left, of a condition."""
        kind = type(condition).__name__
        if kind not in KINDS:
            raise UnsupportedError(
                "a kind of split of YDF is not read",
                place=self.place,
                found=kind,
                supported=", ".join(KINDS),
                remedy="train without oblique splits and without sets of words",
            )
        column = condition.attribute
        feature, left = self.columns[column], not condition.missing
        if kind == "NumericalHigherThanCondition":
            return feature, condition.threshold, left
        if kind == "DiscretizedNumericalHigherThanCondition":
            bounds = self.spec.columns[column].discretized_numerical.boundaries
            return feature, bounds[condition.threshold_idx - 1], left
        if kind == "IsTrueCondition":
            return feature, 0.5, left
        if kind == "IsMissingInCondition":
            return feature, EVERYTHING, False
        chosen = set(condition.mask)
        numbers = self.numbers(column)
        if 0 in chosen:  # so that what training did not see goes to the positive child as well
            others = [n for index, n in numbers.items() if index not in chosen]
            self.sets[number] = np.asarray(others, np.int64)
            return feature, 0.0, left
        self.sets[number] = np.asarray([numbers[index] for index in sorted(chosen)], np.int64)
        self.turned.append(number)
        return feature, 0.0, not left

    def numbers(self, column: int) -> dict[int, int]:
        """Return the number that each category of a column is, by its index."""
        found = self.spec.columns[column].categorical
        if found.is_already_integerized:
            return {index: index for index in range(found.number_of_unique_values)}
        words = {item.index: key for key, item in found.items.items() if item.index}
        if not all(re.fullmatch(r"\d{1,5}", word) for word in words.values()):
            raise UnsupportedError(
                "categories are words",
                place=self.place,
                found=self.spec.columns[column].name,
                supported=f"whole numbers from 0 to {MOST_CATEGORIES - 1}",
                remedy="number the categories before training",
            )
        return {index: int(word) for index, word in words.items()}


KINDS = (
    "NumericalHigherThanCondition",
    "DiscretizedNumericalHigherThanCondition",
    "IsTrueCondition",
    "IsMissingInCondition",
    "CategoricalIsInCondition",
)
"""Conditions that are read."""
