"""ONNX-ML's tree ensembles: `TreeEnsembleClassifier`, `TreeEnsembleRegressor`, `TreeEnsemble`.

Numbers are compared in the precision of the input, float32 unless the thresholds are stored as a
tensor of doubles. The label, of a classifier, is the position of the largest score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from onnx import numpy_helper

from gatewright.base import ModelError, Place
from gatewright.frontends.onnx.call import Call
from gatewright.frontends.onnx.operand import Operand, Value
from gatewright.frontends.trees.nodes import Comparison, Tree, build
from gatewright.ir import Reals
from gatewright.num import Ints
from gatewright.ops import Argmax, Function, Softmax

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")
"""Names of questions, by their number in `TreeEnsemble`."""

LINKS = {"NONE": None, "LOGISTIC": Function("sigmoid"), "SOFTMAX": Softmax()}
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@dataclass
class _Questions:
    """Arrays of one number for each node of a file, leaves too.

    `yes` and `no` are numbers of nodes, negative at leaves.
    """

    mode: list[str]
    feature: Ints
    threshold: Reals
    yes: Ints
    no: Ints
    missing_yes: Ints
    members: dict[int, Reals]


def _numbers(call: Call, name: str) -> tuple[Reals, bool]:
    """Return a list of numbers, and whether they are doubles, which a tensor holds."""
    tensor = call.attributes.tensor(f"{name}_as_tensor")
    if tensor is not None:
        array = numpy_helper.to_array(tensor)
        return array.astype(np.float64).ravel(), array.dtype == np.float64
    return np.asarray(call.attributes.numbers(name) or (), np.float64), False


def _whole(call: Call, name: str, count: int | None = None) -> Ints:
    found = call.attributes.integers(name)
    if found is None and count is not None:
        return np.zeros(count, np.int64)
    array = np.asarray(found or (), np.int64)
    if count is not None and len(array) != count:
        raise _malformed(call, name, len(array), f"{count} numbers")
    return array


def _malformed(call: Call, name: str, found: object, supported: str) -> ModelError:
    return ModelError(
        "a tree ensemble is malformed",
        place=Place(call.place.source, call.place.layer, name),
        found=found,
        supported=supported,
    )


def _comparable(call: Call, mode: str, threshold: float, double: bool) -> tuple[str, float, bool]:
    """Return a question as `<=` or `in`, its threshold, and whether the children change places."""
    if mode in ("LEQ", "GT"):
        return "LEQ", threshold, mode == "GT"
    if mode in ("LT", "GTE"):
        below = np.nextafter(np.float64(threshold), -np.inf)
        if not double:
            below = np.nextafter(np.float32(threshold), np.float32(-np.inf)).astype(np.float64)
        return "LEQ", float(below), mode == "GTE"
    if mode in ("EQ", "NEQ"):
        return "EQ", threshold, mode == "NEQ"
    if mode == "MEMBER":
        return "EQ", threshold, False
    raise call.unsupported(
        "a question of a tree is not known", found=mode, supported=", ".join(MODES)
    )


def _tree(call: Call, nodes: _Questions, order: Ints, value: Reals, double: bool) -> Tree:
    """Return a tree of some nodes, of which the first is the root."""
    local = np.full(len(nodes.feature), -1)
    local[order] = np.arange(len(order))
    count = len(order)
    inner = nodes.yes[order] >= 0
    left, right = np.full(count, -1), np.full(count, -1)
    for side, there in ((left, nodes.yes), (right, nodes.no)):
        side[inner] = local[there[order][inner]]
    if (left[inner] < 0).any() or (right[inner] < 0).any():
        raise _malformed(call, "nodes_treeids", "a child in another tree", "trees apart")
    missing = nodes.missing_yes[order] != 0
    threshold = np.zeros(count)
    sets: dict[int, Ints] = {}
    for k, node in enumerate(order.tolist()):
        if not inner[k]:
            continue
        mode, least, turn = _comparable(call, nodes.mode[node], nodes.threshold[node], double)
        threshold[k] = least
        if mode == "EQ":
            numbers = nodes.members.get(node, np.asarray([least]))
            whole = numbers[(numbers == np.floor(numbers)) & (numbers >= 0)]
            if len(whole) != len(numbers):
                raise call.unsupported(
                    "a node asks for equality with a number that is no category",
                    found=numbers[0],
                    supported="whole numbers from 0",
                )
            sets[k] = whole.astype(np.int64)
        if turn:
            left[k], right[k], missing[k] = right[k], left[k], not missing[k]
    return Tree(nodes.feature[order], threshold, left, right, missing, value, sets)


def _emit(call: Call, trees: list[Tree], base: Reals, double: bool) -> Value:
    """Append the forest, and return its sums."""
    x = call.value(0, "X")
    if len(x.shape) != 1:
        raise call.unsupported(
            "a tree ensemble reads something else than rows of features",
            found=f"shape (batch, {', '.join(map(str, x.shape))})",
            supported="(batch, features)",
        )
    compare = Comparison(inclusive=True, single=not double)
    built = build(trees, x.shape[0], base, compare, call.place)
    return call.emit(built.forest, x)


def _link(call: Call, given: str) -> Function | Softmax | None:
    if given not in LINKS:
        raise call.unsupported(
            "what stands behind the sums is not handled",
            found=given,
            supported=", ".join(LINKS),
        )
    return LINKS[given]


def _old_nodes(call: Call) -> tuple[_Questions, list[Ints], dict[tuple[int, int], int], bool]:
    """Return the nodes of the older operators, those of each tree, and their numbers."""
    attributes = call.attributes
    ids, trees = _whole(call, "nodes_nodeids"), _whole(call, "nodes_treeids")
    count = len(ids)
    if not count or len(trees) != count:
        raise _malformed(call, "nodes_treeids", len(trees), f"{count} numbers, of nodes")
    thresholds, double = _numbers(call, "nodes_values")
    mode = [word.removeprefix("BRANCH_") for word in attributes.texts("nodes_modes")]
    if len(mode) != count or len(thresholds) != count:
        raise _malformed(call, "nodes_modes", len(mode), f"{count}, of nodes")
    attributes.ignore("nodes_hitrates", "nodes_hitrates_as_tensor")
    number = {(t, n): k for k, (t, n) in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))}
    if len(number) != count:
        raise _malformed(call, "nodes_nodeids", "two nodes of one number", "different numbers")
    leaf = np.array([word == "LEAF" for word in mode])
    sides = []
    for name in ("nodes_truenodeids", "nodes_falsenodeids"):
        side = np.full(count, -1)
        for k, child in enumerate(_whole(call, name, count).tolist()):
            if not leaf[k]:
                side[k] = number.get((int(trees[k]), child), -1)
                if side[k] < 0:
                    raise _malformed(call, name, f"a child {child} that is not there", "nodes")
        sides.append(side)
    missing = _whole(call, "nodes_missing_value_tracks_true", count)
    feature = _whole(call, "nodes_featureids", count)
    nodes = _Questions(mode, feature, thresholds, sides[0], sides[1], missing, {})
    return nodes, _orders(call, trees, sides), number, double


def _orders(call: Call, trees: Ints, sides: list[Ints]) -> list[Ints]:
    """Return the nodes of each tree, its root first."""
    children = np.concatenate([side[side >= 0] for side in sides])
    is_root = np.ones(len(trees), np.bool_)
    is_root[children] = False
    found = []
    for tree in dict.fromkeys(trees.tolist()):
        own = np.flatnonzero(trees == tree)
        roots = own[is_root[own]]
        if len(roots) != 1:
            raise _malformed(call, "nodes_treeids", f"{len(roots)} roots of tree {tree}", "one")
        if len(own) > 1 and sides[0][roots[0]] < 0:
            raise _malformed(call, "nodes_truenodeids", f"a loop in tree {tree}", "trees")
        found.append(np.concatenate([roots, own[own != roots[0]]]))
    return found


def _weights(
    call: Call, kind: str, outputs: int, number: dict[tuple[int, int], int], count: int
) -> Reals:
    """Return the numbers of each node's leaf: (nodes, outputs)."""
    weights, _ = _numbers(call, f"{kind}_weights")
    columns = [
        _whole(call, f"{kind}_{what}", len(weights)) for what in ("treeids", "nodeids", "ids")
    ]
    value = np.zeros((count, outputs))
    try:
        rows = [number[pair] for pair in zip(columns[0].tolist(), columns[1].tolist(), strict=True)]
    except KeyError as error:
        raise _malformed(call, f"{kind}_nodeids", f"node {error}", "nodes of the trees") from None
    if len(columns[2]) and not 0 <= columns[2].min() <= columns[2].max() < outputs:
        raise _malformed(call, f"{kind}_ids", columns[2].max(), f"0 to {outputs - 1}")
    np.add.at(value, (np.asarray(rows, np.int64), columns[2]), weights)
    return value


def _base(call: Call, outputs: int) -> Reals:
    base, _ = _numbers(call, "base_values")
    if len(base) not in (0, 1, outputs):
        raise _malformed(call, "base_values", len(base), f"{outputs} numbers")
    return np.zeros(outputs) + base if len(base) else np.zeros(outputs)


def regressor(call: Call) -> Operand:
    """Read a TreeEnsembleRegressor."""
    outputs = call.attributes.integer("n_targets", 1)
    link = _link(call, call.attributes.text("post_transform", "NONE"))
    nodes, orders, number, double = _old_nodes(call)
    value = _weights(call, "target", outputs, number, len(nodes.feature))
    how = call.attributes.text("aggregate_function", "SUM")
    if how not in ("SUM", "AVERAGE"):
        raise call.unsupported("trees are not added up", found=how, supported="SUM, AVERAGE")
    value = value / len(orders) if how == "AVERAGE" else value
    trees = [_tree(call, nodes, order, value[order], double) for order in orders]
    sums = _emit(call, trees, _base(call, outputs), double)
    return sums if link is None else call.emit(link, sums, suffix="link")


def classifier(call: Call) -> list[Operand]:
    """Read a TreeEnsembleClassifier: the position of the best class, and the scores."""
    numbers = call.attributes.integers("classlabels_int64s")
    words = call.attributes.texts("classlabels_strings")
    classes = len(numbers or words)
    if list(numbers or ()) != list(range(classes)) and call.node.output[0]:
        raise call.unsupported(
            "labels of classes are no positions",
            found=", ".join(map(str, (numbers or words)[:5])),
            supported="integers from 0, in order",
            remedy="train with classes 0, 1, ...; or export without the label",
        )
    given = call.attributes.text("post_transform", "NONE")
    link = _link(call, given)
    nodes, orders, number, double = _old_nodes(call)
    ids = _whole(call, "class_ids")
    binary = classes == 2 and not ids.any()
    value = _weights(call, "class", 1 if binary else classes, number, len(nodes.feature))
    base = _base(call, value.shape[1])
    if binary:  # the second class's score alone: the first one's is its complement, or opposite
        weights = value[nodes.yes < 0]
        positive = given == "NONE" and bool((weights >= 0).all()) and bool((base >= 0).all())
        value = np.concatenate([-value, value], axis=1)
        base = np.concatenate([(1.0 if positive else 0.0) - base, base])
    trees = [_tree(call, nodes, order, value[order], double) for order in orders]
    sums = _emit(call, trees, base, double)
    scores = sums if link is None else call.emit(link, sums, suffix="link")
    best = call.emit(Argmax(), sums, suffix="label")
    return [replace(best, integer=True), scores]


def ensemble(call: Call) -> Operand:
    """Read a TreeEnsemble of ai.onnx.ml 5."""
    outputs = call.attributes.integer("n_targets", 1)
    transform = call.attributes.integer("post_transform", 0)
    link = _link(call, TRANSFORMS[transform] if 0 <= transform < 5 else str(transform))
    how = call.attributes.integer("aggregate_function", 1)
    if how not in (0, 1):
        raise call.unsupported("trees are not added up", found=how, supported="0, 1 (AVERAGE, SUM)")
    nodes, value, double = _new_nodes(call, outputs)
    trees = []
    for root in _whole(call, "tree_roots").tolist():
        order = _below(call, nodes, root)
        trees.append(_tree(call, nodes, order, value[order], double))
    if how == 0:
        for tree in trees:
            tree.value[:] /= len(trees)
    sums = _emit(call, trees, np.zeros(outputs), double)
    return sums if link is None else call.emit(link, sums, suffix="link")


def _tensor(call: Call, name: str) -> np.ndarray:
    tensor = call.attributes.tensor(name)
    if tensor is None:
        raise _malformed(call, name, "nothing", "a tensor")
    return numpy_helper.to_array(tensor).ravel()


def _new_nodes(call: Call, outputs: int) -> tuple[_Questions, Reals, bool]:
    """Return the nodes of a TreeEnsemble, a leaf behind each way to one, and their numbers."""
    split, modes = _tensor(call, "nodes_splits"), _tensor(call, "nodes_modes").astype(np.int64)
    count, double = len(split), split.dtype == np.float64
    weights = _tensor(call, "leaf_weights").astype(np.float64)
    targets = _whole(call, "leaf_targetids", len(weights))
    if len(targets) and not 0 <= targets.min() <= targets.max() < outputs:
        raise _malformed(call, "leaf_targetids", targets.max(), f"0 to {outputs - 1}")
    if len(modes) != count or (count and not 0 <= modes.min() <= modes.max() < len(MODES)):
        raise _malformed(call, "nodes_modes", len(modes), f"{count}, of 0 to {len(MODES) - 1}")
    call.attributes.ignore("nodes_hitrates")
    sides: list[Ints] = []
    rows: list[Ints] = []
    for word in ("true", "false"):
        child, leaf = (
            _whole(call, f"nodes_{word}nodeids", count),
            _whole(call, f"nodes_{word}leafs", count),
        )
        limit = np.where(leaf != 0, len(weights), count)
        if ((child < 0) | (child >= limit)).any():
            raise _malformed(call, f"nodes_{word}nodeids", child.max(), "nodes, or leaves")
        to_leaf = np.flatnonzero(leaf != 0)
        side = child.copy()
        side[to_leaf] = count + sum(len(r) for r in rows) + np.arange(len(to_leaf))
        rows.append(child[to_leaf])
        sides.append(side)
    at = np.concatenate(rows)
    total = count + len(at)
    value = np.zeros((total, outputs))
    value[count + np.arange(len(at)), targets[at]] = weights[at]
    none = np.full(len(at), -1)
    feature = np.concatenate([_whole(call, "nodes_featureids", count), np.zeros_like(none)])
    missing = _whole(call, "nodes_missing_value_tracks_true", count)
    threshold = np.concatenate([split.astype(np.float64), np.zeros(len(at))])
    mode = [*(MODES[m] for m in modes.tolist()), *["LEAF"] * len(at)]
    members = _memberships(call, np.flatnonzero(modes == MODES.index("MEMBER")))
    nodes = _Questions(
        mode,
        feature,
        threshold,
        np.concatenate([sides[0], none]),
        np.concatenate([sides[1], none]),
        np.concatenate([missing, np.zeros_like(none)]),
        members,
    )
    return nodes, value, double


def _memberships(call: Call, nodes: Ints) -> dict[int, Reals]:
    """Return the numbers that each node asks for; NaN parts those of one node from the next's."""
    if not len(nodes):
        call.attributes.ignore("membership_values")
        return {}
    values = _tensor(call, "membership_values").astype(np.float64)
    ends = np.flatnonzero(np.isnan(values))
    if len(ends) and ends[-1] == len(values) - 1:
        values = values[:-1]
        ends = ends[:-1]
    parts = np.split(values, ends)
    if len(parts) != len(nodes):
        raise _malformed(call, "membership_values", f"{len(parts)} sets", f"{len(nodes)} sets")
    return {int(n): p[~np.isnan(p)] for n, p in zip(nodes, parts, strict=True)}


def _below(call: Call, nodes: _Questions, root: int) -> Ints:
    """Return a node and all below it, parents first."""
    if not 0 <= root < len(nodes.feature):
        raise _malformed(call, "tree_roots", root, f"0 to {len(nodes.feature) - 1}")
    found = [root]
    for node in found:
        if nodes.yes[node] >= 0:
            found += [int(nodes.yes[node]), int(nodes.no[node])]
        if len(found) > len(nodes.feature):
            raise _malformed(call, "nodes_truenodeids", "a loop", "trees")
    return np.asarray(found)


def zip_map(call: Call) -> Operand:
    """Refuse a ZipMap, which makes dictionaries of scores."""
    raise call.unsupported(
        "a ZipMap gives dictionaries instead of numbers",
        found="ZipMap",
        supported="scores as a tensor",
        remedy="export with options={'zipmap': False} (skl2onnx), or zipmap=False (onnxmltools)",
    )
