"""CatBoost: its JSON files, and live models, which are saved as JSON.

An oblivious tree asks the same question at each node of a level: `float32(x) > border`, or whether
a category is the one named. The answers, the first as the lowest bit, are the leaf's number. What
is missing counts as below or above every border, as `nan_value_treatment` says.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.document import Item, parse_json, read_bytes
from gatewright.frontends.trees.heads import LINKS, as_graph
from gatewright.frontends.trees.nodes import Built, Comparison, Tree, build
from gatewright.ir import Graph, Op, Reals

SINGLE = Comparison(inclusive=True, single=True)
DEEPEST = 16

LOSSES: dict[str, tuple[Op, ...]] = {
    "CrossEntropy": LINKS["sigmoid"],
    "Expectile": (),
    "Focal": LINKS["sigmoid"],
    "Huber": (),
    "LogLinQuantile": (),
    "Logloss": LINKS["sigmoid"],
    "LogCosh": (),
    "Lq": (),
    "MAE": (),
    "MAPE": (),
    "MultiClass": LINKS["softmax"],
    "MultiClassOneVsAll": LINKS["sigmoid"],
    "MultiCrossEntropy": LINKS["sigmoid"],
    "MultiLogloss": LINKS["sigmoid"],
    "MultiQuantile": (),
    "MultiRMSE": (),
    "PairLogit": (),
    "PairLogitPairwise": (),
    "Poisson": LINKS["exp"],
    "Quantile": (),
    "QueryRMSE": (),
    "QuerySoftMax": (),
    "RMSE": (),
    "Tweedie": LINKS["exp"],
    "YetiRank": (),
    "YetiRankPairwise": (),
}
"""Links by loss function."""


def read_catboost(model: Any) -> Graph:
    """Read a CatBoost model.

    Args:
        model: path of a JSON file, or a live model.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged.
        UnsupportedError: splits by statistics of categories, trees that are not oblivious, or a
            loss function that is not known.
    """
    root, name = _document(model)
    built, link, loss = build_catboost(root)
    version = ""
    if root.has("model_info") and root.get("model_info").has("catboost_version_info"):
        told = str(root.get("model_info").get("catboost_version_info").value)
        release = re.search(r"release ([\d.]*\d)", told)
        version = release[1] if release else ""
    facts = {"framework": "CatBoost", "framework version": version, "objective": loss}
    return as_graph(
        built, link, name=name, source=root.source, facts=facts, nans=_takes_nans(root),
        features=_names(root, len(built.forest.missing)),
    )  # fmt: skip


def list_catboost(model: Any) -> list[Listed]:
    """List what a CatBoost model is made of."""
    root, _ = _document(model)
    return [Listed("forest", "oblivious trees"), Listed("link", _loss(root))]


def _document(model: Any) -> tuple[Item, str]:
    if isinstance(model, str | Path):
        path = Path(model)
        return parse_json(read_bytes(path), str(path), "a CatBoost model"), path.stem
    kind = type(model).__name__
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return parse_json(path.read_bytes(), kind, "a CatBoost model"), kind.lower()


def _loss(root: Item) -> str:
    """Return the name of the loss function that a model was trained with."""
    if not root.has("model_info") or not root.get("model_info").has("params"):
        return ""
    info = root.get("model_info")
    params = info.get("params").value
    if isinstance(params, str):
        params = parse_json(params.encode(), root.source, "a CatBoost model's parameters").value
    loss = params.get("loss_function") if isinstance(params, dict) else None
    return str(loss.get("type", "")) if isinstance(loss, dict) else str(loss or "")


def build_catboost(root: Item) -> tuple[Built, Sequence[Op], str]:
    """Return the forest of a document, what stands behind it, and the loss function."""
    loss = _loss(root)
    if loss not in LOSSES:
        raise UnsupportedError(
            "a loss function of CatBoost is not known",
            place=root.at("model_info.params.loss_function"),
            found=loss or "none",
            supported=", ".join(LOSSES),
        )
    if not root.has("oblivious_trees"):
        raise UnsupportedError(
            "trees of CatBoost that are not oblivious are not read"
            if root.has("trees")
            else "a CatBoost model holds no trees",
            place=root.at("oblivious_trees"),
            found=", ".join(map(str, root.value)) if isinstance(root.value, dict) else "no object",
            supported="grow_policy='SymmetricTree'",
            remedy="train with grow_policy='SymmetricTree', the default",
        )
    info = root.get("features_info")
    floats, places = _floats(info)
    base, scale = _scale_and_bias(root)
    columns = _columns(info)
    inputs = max([*places.values(), *columns.values()], default=-1) + 1
    trees = [_tree(item, len(base), floats, places) for item in root.each("oblivious_trees")]
    for tree in trees:
        tree.value[:] *= scale
    link = LOSSES[loss]
    if loss == "MultiClass" and len(base) == 1:
        raise root.wrong("scale_and_bias", "a bias for each class")
    return build(trees, inputs, base, SINGLE, root.at(), None), link, loss


def _scale_and_bias(root: Item) -> tuple[Reals, float]:
    found = root.get("scale_and_bias").value
    try:
        scale, bias = found
        base = np.atleast_1d(np.asarray(bias, np.float64))
        return base, float(scale)
    except (TypeError, ValueError):
        raise root.wrong("scale_and_bias", "a number and a list of numbers") from None


def _floats(info: Item) -> tuple[dict[int, bool], dict[int, int]]:
    """Return of numeric features whether what is missing is above all borders; their columns."""
    above, place = {}, {}
    if info.has("float_features"):
        for item in info.each("float_features"):
            index = item.integer("feature_index")
            way = item.text("nan_value_treatment") if item.has("nan_value_treatment") else "AsIs"
            above[index] = way == "AsTrue"
            place[index] = item.integer("flat_feature_index")
    for kind in ("text_features", "embedding_features"):
        if info.has(kind) and info.get(kind).value:
            raise UnsupportedError(
                "features that are texts or embeddings are not read",
                place=info.at(kind),
                supported="numbers and categories",
            )
    return above, place


def _columns(info: Item) -> dict[int, int]:
    """Return the column of each categorical feature."""
    if not info.has("categorical_features"):
        return {}
    return {
        item.integer("feature_index"): item.integer("flat_feature_index")
        for item in info.each("categorical_features")
    }


def _names(root: Item, inputs: int) -> list[str]:
    """Return the names of the features, empty where one has none."""
    info = root.get("features_info")
    known = [""] * inputs
    for kind in ("float_features", "categorical_features"):
        for item in info.each(kind) if info.has(kind) else ():
            place = item.integer("flat_feature_index")
            if item.has("feature_id") and 0 <= place < inputs:
                known[place] = str(item.get("feature_id").value)
    return known


def _takes_nans(root: Item) -> bool:
    """Say whether training said where missing values go."""
    info = root.get("features_info")
    if not info.has("float_features"):
        return False
    return any(
        item.has("nan_value_treatment") and item.text("nan_value_treatment") != "AsIs"
        for item in info.each("float_features")
    )


def _tree(
    item: Item,
    outputs: int,
    floats: dict[int, bool],
    places: dict[int, int],
) -> Tree:
    """Return one oblivious tree, level by level: node `2**level - 1 + answers so far`."""
    splits = list(item.each("splits")) if item.has("splits") else []
    depth = len(splits)
    values = item.reals("leaf_values")
    if depth > DEEPEST or len(values) != outputs << depth:
        raise item.wrong("leaf_values", f"{outputs} numbers for each of 2**{depth} leaves")
    inner = (1 << depth) - 1
    total = inner + (1 << depth)
    feature, threshold = np.zeros(total, np.int64), np.zeros(total)
    missing_left = np.zeros(total, np.bool_)
    for level, split in enumerate(splits):
        nodes = slice((1 << level) - 1, (2 << level) - 1)
        kind = split.text("split_type")
        if kind != "FloatFeature":
            raise _refused(split, kind)
        index = split.integer("float_feature_index")
        if index not in places:
            raise ModelError(
                "a node of a tree compares a feature that the model does not have",
                place=split.at("float_feature_index"),
                found=index,
            )
        feature[nodes], missing_left[nodes] = places[index], not floats[index]
        border = split.get("border").value
        if not isinstance(border, int | float):
            raise split.wrong("border", "a number")
        threshold[nodes] = np.float32(border)
    # Node k of a level, whose answers so far are k, leads to k and to k + 2**level below.
    left, right = np.full(total, -1), np.full(total, -1)
    for level in range(depth):
        k = np.arange(1 << level)
        below = (2 << level) - 1
        left[(1 << level) - 1 + k], right[(1 << level) - 1 + k] = (
            below + k,
            below + k + (1 << level),
        )
    value = np.zeros((total, outputs))
    value[inner:] = values.reshape(-1, outputs)
    return Tree(feature, threshold, left, right, missing_left, value)


def _refused(split: Item, kind: str) -> UnsupportedError:
    words = {
        "OneHotFeature": "CatBoost knows categories by a hash of their text",
        "OnlineCtr": "statistics of categories (CTR)",
    }
    return UnsupportedError(
        "a kind of split of CatBoost is not read",
        place=split.at("split_type"),
        found=f"{kind}: {words[kind]}" if kind in words else kind,
        supported="FloatFeature",
        remedy="encode categories as numbers before training, without cat_features",
    )
