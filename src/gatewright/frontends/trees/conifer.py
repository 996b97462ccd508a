"""conifer: its JSON files. A node sends `x <= threshold` left, or `<` where the file says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.document import Item, parse_json, read_bytes
from gatewright.frontends.trees.heads import as_graph
from gatewright.frontends.trees.nodes import MOST_CLASSES, Built, Comparison, Tree, build
from gatewright.ir import Graph

CONVENTIONS = {"<=": True, "<": False}
"""Whether equality goes left, by `splitting_convention`."""


def read_conifer(model: Any) -> Graph:
    """Read a conifer model: raw scores, `(sum + init_predict) * norm`.

    Args:
        model: path of a JSON file.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged, or holds scores that are no numbers.
    """
    path = Path(model)
    built = build_conifer(parse_json(read_bytes(path), str(path), "a conifer model"))
    facts = {"framework": "conifer"}
    return as_graph(built, (), name=path.stem, source=str(path), facts=facts, nans=False)


def list_conifer(model: Any) -> list[Listed]:
    """List what a conifer model is made of."""
    return [Listed("forest", "conifer")]


def build_conifer(root: Item) -> Built:
    """Return the forest of a document."""
    classes = root.integer("n_classes")
    outputs = 1 if classes <= 2 else classes
    if outputs > MOST_CLASSES:
        raise root.wrong("n_classes", f"up to {MOST_CLASSES}")
    try:
        norm = float(root.get("norm").value)
        base = np.broadcast_to(np.asarray(root.get("init_predict").value, np.float64), (outputs,))
    except (TypeError, ValueError):
        raise root.wrong("init_predict", f"{outputs} numbers, and one for norm") from None
    if not np.isfinite(base).all() or not np.isfinite(norm):
        raise ModelError(
            "the scores of a conifer model are not finite numbers",
            place=root.at("init_predict"),
            found=root.get("init_predict").value,
            remedy="compile the model of the library that it was trained with: conifer's converter "
            "for XGBoost makes NaN of the base scores of several classes",
        )
    convention = root.text("splitting_convention") if root.has("splitting_convention") else "<="
    if convention not in CONVENTIONS:
        raise root.wrong("splitting_convention", " or ".join(CONVENTIONS))
    trees = []
    for row in root.each("trees"):
        wrapped = Item({"trees": row.value}, row.source, row.path)
        items = list(wrapped.each("trees"))
        if len(items) != outputs:
            raise UnsupportedError(
                "a round of a conifer model does not have a tree for each score",
                place=row.at(),
                found=len(items),
                supported=str(outputs),
            )
        trees += [_tree(item, k, outputs, norm) for k, item in enumerate(items)]
    compare = Comparison(CONVENTIONS[convention], single=False)
    return build(trees, root.integer("n_features"), base * norm, compare, root.at())


def _tree(item: Item, output: int, outputs: int, norm: float) -> Tree:
    feature = item.integers("feature")
    arrays = [item.reals(key) for key in ("threshold", "value")]
    sides = [item.integers(f"children_{side}") for side in ("left", "right")]
    if {len(a) for a in (*arrays, *sides)} != {len(feature)}:
        raise ModelError("the arrays of a tree's nodes differ in length", place=item.at())
    leaf = feature < 0
    left, right = (np.where(leaf, -1, side) for side in sides)
    value = np.zeros((len(feature), outputs))
    value[:, output] = arrays[1] * norm
    missing = np.zeros(len(feature), np.bool_)  # NaN compares as false
    return Tree(np.maximum(feature, 0), arrays[0], left, right, missing, value)
