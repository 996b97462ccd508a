"""XGBoost: its JSON and UBJ files, and live models, which are saved to memory as UBJ.

A node sends `float32(x) < split_conditions` left, what is missing by `default_left`, and
categories of its set right. Sums are of float32 numbers, from `base_score`, which the file holds as
the link's result (a probability for `binary:logistic`), as decimal text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.document import Item, parse_json, read_bytes
from gatewright.frontends.trees.heads import LINKS, as_graph
from gatewright.frontends.trees.nodes import (
    MOST_CLASSES,
    MOST_FEATURES,
    Built,
    Comparison,
    Tree,
    build,
)
from gatewright.frontends.trees.ubjson import parse_ubjson
from gatewright.frontends.trees.xgboost_objectives import OBJECTIVES
from gatewright.ir import Graph, Reals
from gatewright.num import Ints

SINGLE = Comparison(inclusive=False, single=True)


@dataclass(frozen=True, eq=False)
class Booster:
    """What a file says, read.

    Attributes:
        built: the forest.
        rounds: used, and there, of boosting.
    """

    built: Built
    objective: str
    rounds: tuple[int, int]
    version: str
    dart: bool


def read_xgboost(model: Any) -> Graph:
    """Read an XGBoost model.

    Args:
        model: path of a JSON or UBJ file, a `Booster`, or a scikit-learn wrapper of one.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged.
        UnsupportedError: another booster, objective or kind of split.
    """
    root, name, missing, wrapped = _document(model)
    booster = read_booster(root, missing, wrapped)
    used, there = booster.rounds
    facts = {
        "framework": "XGBoost",
        "framework version": booster.version,
        "objective": booster.objective,
        "rounds": f"{used}" if used == there else f"{used} of {there}, as early stopping chose",
    }
    link = LINKS[OBJECTIVES[booster.objective].link]
    features = root.get("learner").names("feature_names")
    return as_graph(
        booster.built, link, name=name, source=root.source, facts=facts, nans=True,
        features=features,
    )  # fmt: skip


def list_xgboost(model: Any) -> list[Listed]:
    """List what an XGBoost model is made of."""
    root, *_ = _document(model)
    learner = root.get("learner")
    kind = learner.get("gradient_booster").text("name")
    return [Listed("forest", kind), Listed("link", learner.get("objective").text("name"))]


def _document(model: Any) -> tuple[Item, str, float, bool | None]:
    """Return document, name, missing number, and whether a wrapper predicts (None: unknown)."""
    if isinstance(model, str | Path):
        path = Path(model)
        data = read_bytes(path)
        if data[:1] == b"{" and b"learner{" in data[:64]:
            return Item(parse_ubjson(data, str(path)), str(path)), path.stem, math.nan, None
        return parse_json(data, str(path), "an XGBoost model"), path.stem, math.nan, None
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    kind = type(model).__name__
    missing = getattr(model, "missing", math.nan)
    data = bytes(booster.save_raw("ubj"))
    root = Item(parse_ubjson(data, kind), kind)
    number = math.nan if missing is None else float(missing)
    return root, kind.lower(), number, hasattr(model, "get_booster")


def read_booster(root: Item, missing: float = math.nan, wrapped: bool | None = None) -> Booster:
    """Return the forest of a model's document.

    Args:
        root: the document.
        missing: the number that stands for a missing one, besides NaN.
        wrapped: a scikit-learn wrapper predicts, which heeds early stopping; None: the document
            says so.
    """
    learner = root.get("learner")
    gradient = learner.get("gradient_booster")
    kind = gradient.text("name")
    if kind not in ("gbtree", "dart"):
        raise UnsupportedError(
            "a booster of XGBoost is not read",
            place=gradient.at("name"),
            found=kind,
            supported="gbtree, dart",
            remedy="train with booster='gbtree'",
        )
    objective = learner.get("objective").text("name")
    if objective not in OBJECTIVES:
        raise UnsupportedError(
            "an objective of XGBoost is not known",
            place=learner.get("objective").at("name"),
            found=objective,
            supported=", ".join(OBJECTIVES),
            remedy="scores of a custom objective: set objective to reg:squarederror, which has no "
            "link, before saving",
        )
    parameters = learner.get("learner_model_param")
    inputs = parameters.integer("num_feature")
    classes, targets = parameters.integer("num_class", 0), parameters.integer("num_target", 1)
    outputs = max(classes, targets, 1)
    if outputs > MOST_CLASSES:
        raise parameters.wrong("num_class", f"up to {MOST_CLASSES}")
    base = OBJECTIVES[objective].margin(_base_score(parameters, outputs))
    model = (gradient.get("gbtree") if kind == "dart" else gradient).get("model")
    weights = gradient.reals("weight_drop") if kind == "dart" else None
    trees = _trees(model, outputs, inputs, weights)
    rounds = _rounds(learner, model, len(trees), wrapped)
    count = rounds[2]
    coded = math.isfinite(missing) and 0 < inputs <= MOST_FEATURES
    codes = np.full(inputs, missing) if coded else None
    built = build(trees[:count], inputs, base, SINGLE, root.at(), codes)
    version = ".".join(map(str, root.integers("version"))) if root.has("version") else ""
    return Booster(built, objective, rounds[:2], version, kind == "dart")


def _base_score(parameters: Item, outputs: int) -> Reals:
    """Return the base score of each output; it is a number, or since 3.1 a list, as text."""
    text = str(parameters.get("base_score").value)
    try:
        numbers = [float(np.float32(t)) for t in text.strip().strip("[]").split(",")]
    except ValueError:
        raise parameters.wrong("base_score", "a number, or a list of them") from None
    if len(numbers) not in (1, outputs):
        raise parameters.wrong("base_score", f"one number, or {outputs}")
    return np.broadcast_to(np.asarray(numbers), (outputs,)).astype(np.float64)


def _rounds(learner: Item, model: Item, trees: int, wrapped: bool | None) -> tuple[int, int, int]:
    """Return rounds that predictions use, rounds that there are, and trees of the used ones."""
    attributes = learner.get("attributes") if learner.has("attributes") else Item({}, "")
    if model.has("iteration_indptr"):
        ends = model.integers("iteration_indptr")[1:]
    else:
        parameters = model.get("gbtree_model_param")
        groups = len(np.unique(model.integers("tree_info")))
        each = max(parameters.integer("num_parallel_tree", 1) * groups, 1)
        ends = np.arange(each, trees + 1, each)
    if not len(ends) or (np.diff(ends) < 0).any() or ends[-1] != trees:
        raise ModelError(
            "the rounds of an XGBoost model do not fit its trees",
            place=model.at("iteration_indptr"),
            found=f"{ends[-1] if len(ends) else 0} trees in {len(ends)} rounds",
            supported=f"{trees} trees",
        )
    heeds = attributes.has("scikit_learn") if wrapped is None else wrapped
    used = len(ends)
    if heeds and attributes.has("best_iteration"):
        used = min(attributes.integer("best_iteration") + 1, used)
    return used, len(ends), int(ends[used - 1]) if used > 0 else 0


def _trees(model: Item, outputs: int, inputs: int, weights: Reals | None) -> list[Tree]:
    """Return all trees."""
    groups = model.integers("tree_info")
    items = list(model.each("trees"))
    claimed = model.get("gbtree_model_param").integer("num_trees", len(items))
    if len(items) != claimed or len(groups) != len(items):
        raise ModelError(
            "an XGBoost model does not hold as many trees as it says",
            place=model.at("trees"),
            found=f"{len(items)} trees, classes of {len(groups)}",
            supported=str(claimed),
        )
    if weights is not None and len(weights) != len(items):
        raise ModelError(
            "an XGBoost model does not hold a weight for each tree",
            place=model.at("weight_drop"),
            found=len(weights),
            supported=str(len(items)),
        )
    factors = np.ones(len(items)) if weights is None else weights
    return [
        _tree(item, int(group), outputs, float(factor))
        for item, group, factor in zip(items, groups, factors, strict=True)
    ]


def _tree(item: Item, group: int, outputs: int, factor: float) -> Tree:
    """Return one tree, whose leaves are numbers for one output, or for all."""
    left, right = item.integers("left_children"), item.integers("right_children")
    threshold = _single(item.reals("split_conditions"))
    count = len(left)
    parameters = item.get("tree_param")
    lengths = {
        "right_children": len(right),
        "split_conditions": len(threshold),
        "tree_param.num_nodes": parameters.integer("num_nodes", count),
    }
    for what, length in lengths.items():
        if length != count:
            raise ModelError(
                "the arrays of a tree's nodes differ in length",
                place=item.at(what),
                found=length,
                supported=str(count),
            )
    if min(left.min(initial=-1), right.min(initial=-1)) < -1:  # the library would read beyond
        raise item.wrong("left_children" if left.min() < -1 else "right_children", "-1 at a leaf")
    feature, missing_left = item.integers("split_indices"), item.integers("default_left") != 0
    if len(feature) != count or len(missing_left) != count:
        raise ModelError("the arrays of a tree's nodes differ in length", place=item.at())
    if not 0 <= group < outputs:
        raise ModelError(
            "a tree is for a class that the model does not have",
            place=item.at(),
            found=group,
            supported=f"0 to {outputs - 1}",
        )
    value = np.zeros((count, outputs))
    leaf = left < 0
    if parameters.integer("size_leaf_vector", 1) > 1:
        value[leaf] = _vectors(item, right[leaf], outputs)
        right = np.where(leaf, -1, right)
    else:
        value[leaf, group] = threshold[leaf]
    if factor != 1.0:
        value = _single(_single(np.asarray(factor)) * value)
    sets = _categories(item, count)
    nodes = np.fromiter(sets, np.int64, len(sets))
    # Its sets go right: the children change places, so that what is in no set goes left there.
    left, right = left.copy(), right.copy()
    left[nodes], right[nodes] = right[nodes], left[nodes]
    missing_left[nodes] = ~missing_left[nodes]
    return Tree(feature, threshold, left, right, missing_left, value, sets)


def _single(values: Reals) -> Reals:
    """Return the nearest float32 numbers: what the decimals of a JSON file stand for."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32).astype(np.float64)


def _vectors(item: Item, rows: Ints, outputs: int) -> Reals:
    """Return the vectors of leaves of a tree for several targets."""
    if not item.has("leaf_weights"):
        raise UnsupportedError(
            "a tree for several targets is of a version that is not read",
            place=item.at(),
            supported="files of XGBoost 3.1 and later",
            remedy="load the model with a later XGBoost and save it again",
        )
    weights = _single(item.reals("leaf_weights"))
    if len(weights) % outputs or (
        len(rows) and not 0 <= rows.min() <= rows.max() < len(weights) // outputs
    ):
        raise item.wrong("leaf_weights", f"{outputs} numbers for each leaf")
    return weights.reshape(-1, outputs)[rows]


def _categories(item: Item, count: int) -> dict[int, Ints]:
    """Return the categories of each node that splits by them."""
    kinds = item.integers("split_type") if item.has("split_type") else np.zeros(0, np.int64)
    if not kinds.any():
        return {}
    if len(kinds) != count:
        raise item.wrong("split_type", f"a number for each of {count} nodes")
    nodes, starts, sizes = (
        item.integers(f"categories_{what}") for what in ("nodes", "segments", "sizes")
    )
    numbers = item.integers("categories")
    if not len(nodes) == len(starts) == len(sizes) or (
        len(nodes) and not 0 <= nodes.min() <= nodes.max() < count
    ):
        raise item.wrong("categories_nodes", f"a segment each of nodes 0 to {count - 1}")
    ends = starts + sizes
    if len(starts) and (starts.min() < 0 or sizes.min() < 0 or ends.max() > len(numbers)):
        raise item.wrong("categories_sizes", f"segments of {len(numbers)} categories")
    return {
        int(n): numbers[s:e] for n, s, e in zip(nodes, starts, ends, strict=True) if kinds[n] == 1
    }
