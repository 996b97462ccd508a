"""Refuse what is no forest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatewright.base import ModelError

if TYPE_CHECKING:
    from gatewright.ops.forest import Forest


def check_forest(op: Forest) -> None:
    """Refuse arrays that are no forest.

    Raises:
        ModelError: naming what is wrong.
    """
    nodes, leaves = len(op.features), len(op.leaves)
    lengths = {len(a) for a in (
        op.thresholds, op.inclusive, op.missing_left, op.members, op.left, op.right,
    )}  # fmt: skip
    if lengths != {nodes} or np.ndim(op.leaves) != 2 or not len(op.roots):
        raise ModelError(
            "a forest is malformed", found="arrays of its nodes differ in length, or no trees"
        )
    if np.shape(op.has_missing) != np.shape(op.missing):
        raise ModelError("a forest does not say of each feature whether it can be missing")
    if op.leaves.shape[1] != len(op.base):
        raise ModelError(
            "the leaves of a forest do not fit its outputs",
            found=f"{op.leaves.shape[1]} numbers a leaf",
            supported=f"{len(op.base)}",
        )
    numbers = {
        "threshold": op.thresholds,
        "leaf": op.leaves,
        "base score": op.base,
        "code of missing values": op.missing,
    }
    for what, values in numbers.items():
        if not np.isfinite(values).all():
            raise ModelError(
                f"a {what} of a forest is not a finite number",
                found=str(values[~np.isfinite(values)].flat[0]),
            )
    if nodes and not 0 <= op.features.min() <= op.features.max() < len(op.missing):
        raise ModelError(
            "a node of a forest compares a feature that is not there",
            found=f"features {op.features.min()} to {op.features.max()}",
            supported=f"0 to {len(op.missing) - 1}",
        )
    if nodes and not -1 <= op.members.min() <= op.members.max() < len(op.sets):
        raise ModelError("a node of a forest asks for a set of categories that is not there")
    _check_children(op, nodes, leaves)


def _check_children(op: Forest, nodes: int, leaves: int) -> None:
    """Refuse what is no forest: a child that is not there, a node of two parents, a loop."""
    children = np.concatenate([op.left, op.right, op.roots])
    if not -leaves <= children.min() <= children.max() < nodes:
        raise ModelError(
            "a node of a forest has a child that is not there",
            found=f"{children.min()} to {children.max()}",
            supported=f"leaves -1 to {-leaves}, nodes 0 to {nodes - 1}",
        )
    inner = children[children >= 0]
    if len(np.unique(inner)) != len(inner) or len(inner) != nodes:
        raise ModelError(
            "the nodes of a forest do not form trees", found="a node of 0 or 2 parents"
        )
    level = op.roots[op.roots >= 0]
    reached = len(level)
    while len(level):
        below = np.concatenate([op.left[level], op.right[level]])
        level = below[below >= 0]
        reached += len(level)
    if reached != nodes:
        raise ModelError("the nodes of a forest do not form trees", found="a loop")
