"""LightGBM: its text files, and live models, which are saved to memory as text.

A node sends `x <= threshold` left, on float64 numbers. Bits of its `decision_type` say whether it
asks for categories (1), where what is missing goes (2), and what is missing: nothing (0; NaN counts
as 0), zero (4; NaN as well) or NaN (8). Numbers within 1e-35 of zero are taken for zero first; only
where zero is missing are they not here: no format of numbers reaches there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.document import read_bytes
from gatewright.frontends.trees.heads import LINKS, as_graph, scaled
from gatewright.frontends.trees.nodes import (
    MOST_CLASSES,
    MOST_FEATURES,
    Built,
    Comparison,
    Tree,
    build,
)
from gatewright.ir import Graph, Op, Reals
from gatewright.num import Ints
from gatewright.ops import Function

DOUBLE = Comparison(inclusive=True, single=False)
CATEGORICAL, DEFAULT_LEFT = 1, 2
NONE, ZERO, NAN = 0, 1, 2
NOTHING = float(np.float32(1e-35))
"""Numbers up to here on either side are taken for zero."""

OBJECTIVES: dict[str, str] = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "cross_entropy_lambda": "softplus",
    "fair": "identity",
    "gamma": "exp",
    "huber": "identity",
    "lambdarank": "identity",
    "mape": "identity",
    "multiclass": "softmax",
    "multiclassova": "sigmoid",
    "poisson": "exp",
    "quantile": "identity",
    "rank_xendcg": "identity",
    "regression": "identity",
    "regression_l1": "identity",
    "tweedie": "exp",
}
"""Links by objective. Without an objective (custom ones), a model gives its raw scores."""


@dataclass(frozen=True, eq=False)
class Section:
    """Lines `key=value` of a text file."""

    entries: dict[str, str]
    place: Place

    def text(self, key: str) -> str:
        """Return an entry.

        Raises:
            ModelError: there is none.
        """
        if key not in self.entries:
            raise ModelError(
                "a LightGBM model lacks an entry, or is cut short",
                place=Place(self.place.source, self.place.layer, key),
                found=", ".join(list(self.entries)[:20]) or "nothing",
                remedy="save the model again",
            )
        return self.entries[key]

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an entry that is a whole number."""
        if default is not None and key not in self.entries:
            return default
        try:
            return int(self.text(key))
        except ValueError:
            raise self.wrong(key, "a whole number") from None

    def reals(self, key: str, count: int | None = None) -> Reals:
        """Return an entry that is a list of numbers, of a length."""
        words = self.text(key).split()
        try:
            array = np.array(words, np.float64) if words else np.zeros(0)
        except ValueError:
            raise self.wrong(key, "numbers") from None
        if count is not None and len(array) != count:
            raise self.wrong(key, f"{count} numbers, as the tree says; or the file is cut short")
        return array

    def integers(self, key: str, count: int | None = None) -> Ints:
        """Return an entry that is a list of whole numbers, of a length."""
        array = self.reals(key, count)
        if not (np.abs(array) < 2.0**53).all() or not (array == np.floor(array)).all():
            raise self.wrong(key, "whole numbers")
        return array.astype(np.int64)

    def wrong(self, key: str, supported: str) -> ModelError:
        """Return the error that an entry is not what it should be."""
        return ModelError(
            "an entry of a LightGBM model is not what it should be",
            place=Place(self.place.source, self.place.layer, key),
            found=self.text(key)[:200],
            supported=supported,
        )


def read_lightgbm(model: Any) -> Graph:
    """Read a LightGBM model.

    Args:
        model: path of a text file, a `Booster`, or a scikit-learn wrapper of one.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged.
        UnsupportedError: another objective, or linear trees.
    """
    text, source, name = _text(model)
    built, link, header = build_lightgbm(text, source)
    facts = {
        "framework": "LightGBM",
        "framework version": header.entries.get("version", ""),
        "objective": header.entries.get("objective", "none: raw scores"),
    }
    features = header.entries.get("feature_names", "").split()
    if features:
        facts["features"] = ", ".join(features)[:1000]
    return as_graph(
        built, link, name=name, source=source, facts=facts, nans=True, features=features
    )  # fmt: skip


def list_lightgbm(model: Any) -> list[Listed]:
    """List what a LightGBM model is made of."""
    text, source, _ = _text(model)
    header = _sections(text, source)[0]
    return [Listed("forest", "tree"), Listed("link", header.entries.get("objective", "none"))]


def _text(model: Any) -> tuple[str, str, str]:
    """Return the text of a model, what to call it in messages, and a name."""
    if isinstance(model, str | Path):
        data = read_bytes(Path(model))
        return data.decode("utf-8", "replace"), str(model), Path(model).stem
    kind = type(model).__name__
    booster = getattr(model, "booster_", model)
    return booster.model_to_string(), kind, kind.lower()


def _sections(text: str, source: str) -> list[Section]:
    """Return the header and the trees.

    Raises:
        ModelError: the end is not there.
    """
    body, end, rest = text.partition("\nend of trees")
    parts = re.split(r"\n(?=Tree=)", body.replace("\r", ""))
    sections = []
    for k, part in enumerate(parts):
        lines = (line.partition("=") for line in part.split("\n") if line.strip())
        entries = {key.strip(): value for key, _, value in lines}
        sections.append(Section(entries, Place(source, f"tree {k - 1}" if k else "")))
    if not end:
        raise ModelError(
            "a LightGBM model is cut short",
            place=source,
            found=f"{len(parts) - 1} trees, and no line 'end of trees'",
            remedy="save the model again",
        )
    _check_parameters(rest, source)
    claimed = len(sections[0].entries.get("tree_sizes", "").split())
    if claimed != len(sections) - 1:
        raise ModelError(
            "a LightGBM model does not hold as many trees as it says",
            place=source,
            found=len(sections) - 1,
            supported=str(claimed),
        )
    return sections


def _check_parameters(text: str, source: str) -> None:
    """Check the form of the parameters of training, which the library reads too.

    Raises:
        ModelError: a line is not `[name: value]`, at which the library ends.
    """
    _, _, listed = text.partition("\nparameters:")
    lines = listed.partition("\nend of parameters")[0].replace("\r", "").split("\n")
    for line in lines:
        if line.strip() and not re.fullmatch(r"\[[^:\]]+: .*\]", line):
            raise ModelError(
                "a line of a LightGBM model's parameters is damaged",
                place=Place(source, "", "parameters"),
                found=line[:200],
                supported="[name: value]",
                remedy="save the model again",
            )


def build_lightgbm(text: str, source: str) -> tuple[Built, Sequence[Op], Section]:
    """Return the forest of a model's text, what stands behind it, and its header."""
    header, *items = _sections(text, source)
    inputs = header.integer("max_feature_idx") + 1
    outputs = header.integer("num_tree_per_iteration", 1)
    if not 0 < outputs <= MOST_CLASSES or len(items) % outputs:
        raise header.wrong("num_tree_per_iteration", f"a divisor of {len(items)} trees")
    if not 0 < inputs <= MOST_FEATURES:
        raise header.wrong("max_feature_idx", f"0 to {MOST_FEATURES - 1}")
    link = _link(header)
    codes = np.full(inputs, np.nan)
    kinds = np.full(inputs, -1)
    share = outputs / len(items) if "average_output" in header.entries and items else 1.0
    trees = [_tree(item, k % outputs, outputs, share, kinds) for k, item in enumerate(items)]
    codes[kinds == ZERO] = 0.0
    return build(trees, inputs, np.zeros(outputs), DOUBLE, Place(source), codes), link, header


def _link(header: Section) -> Sequence[Op]:
    """Return what stands behind the sums."""
    words = header.entries.get("objective", "").split()
    if not words or words[0] == "custom":
        return ()
    options = dict(word.partition(":")[::2] for word in words[1:])
    if words[0] not in OBJECTIVES or "sqrt" in options:
        raise UnsupportedError(
            "an objective of LightGBM is not known",
            place=Place(header.place.source, "", "objective"),
            found=" ".join(words),
            supported=", ".join(OBJECTIVES),
            remedy="train with another objective; with reg_sqrt=False"
            if "sqrt" in options
            else "train with another objective",
        )
    link = OBJECTIVES[words[0]]
    if link == "softplus":
        return (Function("softplus"),)
    try:
        slope = float(options.get("sigmoid", "1"))
    except ValueError:
        raise header.wrong("objective", "a number behind sigmoid:") from None
    return scaled(slope, link) if slope != 1 else LINKS[link]


def _tree(item: Section, group: int, outputs: int, share: float, kinds: Ints) -> Tree:
    """Return one tree; `kinds` is told what is missing of each feature."""
    leaves = item.integer("num_leaves")
    item.integer("num_cat")  # without it the library ends
    if item.integer("is_linear", 0):
        raise UnsupportedError(
            "linear models in leaves are not read",
            place=item.place,
            found="is_linear=1",
            supported="leaves that are numbers",
            remedy="train with linear_tree=False",
        )
    if leaves < 1:
        raise item.wrong("num_leaves", "1 or more")
    given = item.reals("leaf_value")
    if len(given) != leaves:
        raise item.wrong("leaf_value", f"{leaves} numbers, as num_leaves says")
    inner = leaves - 1
    value = np.zeros((inner + leaves, outputs))
    value[inner:, group] = given * share
    if not inner:
        none = np.zeros(1, np.int64)
        return Tree(none, np.zeros(1), none - 1, none - 1, none == 0, value)
    feature, kind = item.integers("split_feature", inner), item.integers("decision_type", inner)
    threshold = item.reals("threshold", inner)
    sides = [item.integers(f"{side}_child", inner) for side in ("left", "right")]
    if min(side.min() for side in sides) < -leaves or max(side.max() for side in sides) >= inner:
        raise ModelError(
            "a node of a tree has a child that is not there",
            place=item.place,
            found=f"{min(s.min() for s in sides)} to {max(s.max() for s in sides)}",
            supported=f"nodes 0 to {inner - 1}, leaves -1 to {-leaves}",
        )
    left, right = (
        np.concatenate([np.where(side < 0, inner - 1 - side, side), np.full(leaves, -1)])
        for side in sides
    )
    categorical, missing = kind & CATEGORICAL != 0, kind >> 2 & 3
    _note_missing(item, feature[~categorical], missing[~categorical], kinds)
    goes_left = np.where(missing == NONE, threshold >= 0, kind & DEFAULT_LEFT != 0) & ~categorical
    sets = _sets(item, np.flatnonzero(categorical), threshold) if categorical.any() else {}
    return Tree(
        _padded(feature, leaves),
        _padded(_past_zero(threshold), leaves),
        left,
        right,
        _padded(goes_left, leaves),
        value,
        sets,
    )


def _past_zero(thresholds: Reals) -> Reals:
    """Return thresholds for numbers of which none has been taken for zero yet."""
    below = np.nextafter(-NOTHING, -np.inf)
    near = np.where(thresholds < 0, below, NOTHING)
    return np.where(np.abs(thresholds) <= NOTHING, near, thresholds)


def _padded(array: np.ndarray, leaves: int) -> np.ndarray:
    """Return an array of inner nodes with zeros for the leaves."""
    return np.concatenate([array, np.zeros(leaves, array.dtype)])


def _note_missing(item: Section, features: Ints, missing: Ints, kinds: Ints) -> None:
    """Note what is missing of each feature, which must be the same at all of its nodes."""
    if len(features) and not 0 <= features.min() <= features.max() < len(kinds):
        raise ModelError(
            "a node of a tree compares a feature that the model does not have",
            place=item.place,
            found=f"features {features.min()} to {features.max()}",
            supported=f"0 to {len(kinds) - 1}",
        )
    if len(missing) and missing.max() > NAN:
        raise item.wrong("decision_type", "missing types none, zero and nan")
    zero = missing == ZERO
    known = kinds[features]
    if ((known >= 0) & ((known == ZERO) != zero)).any() or set(features[zero]) & set(
        features[~zero]
    ):
        raise UnsupportedError(
            "zero is missing at some nodes of a feature, and a number at others",
            place=item.place,
            supported="one meaning for each feature",
        )
    kinds[features] = missing


def _sets(item: Section, nodes: Ints, threshold: Reals) -> dict[int, Ints]:
    """Return the categories that go left at each node that asks for them."""
    ends, words = item.integers("cat_boundaries"), item.integers("cat_threshold")
    rows = threshold[nodes].astype(np.int64)
    if not (0 <= rows.min() <= rows.max() < len(ends) - 1 and (np.diff(ends) >= 0).all()
            and ends[0] == 0 and ends[-1] == len(words)):  # fmt: skip
        raise item.wrong("cat_boundaries", f"parts of {len(words)} words for {len(nodes)} nodes")
    found = {}
    for n, row in zip(nodes.tolist(), rows.tolist(), strict=True):
        part = words[ends[row] : ends[row + 1]].astype(np.uint32)
        bits = (part[:, None] >> np.arange(32, dtype=np.uint32)) & 1
        found[n] = np.flatnonzero(bits.ravel())
    return found
