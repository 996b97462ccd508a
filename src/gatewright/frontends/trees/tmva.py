"""TMVA: the XML files of its boosted decision trees, for classification.

A node sends `float32(x) < Cut` to its left child where `cType` is 1, to its right one where it is
0. Gradient boosting gives `2 / (1 + exp(-2 sum)) - 1`, which is the sum's hyperbolic tangent; other
kinds give the mean of leaves, weighted by `boostWeight`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.frontends.listed import Listed
from gatewright.frontends.trees.document import read_bytes
from gatewright.frontends.trees.heads import LINKS, as_graph
from gatewright.frontends.trees.nodes import MOST_CLASSES, Built, Comparison, Tree, build
from gatewright.ir import Graph, Op, Reals
from gatewright.ops import Function

SINGLE = Comparison(inclusive=False, single=True)
Element = ElementTree.Element


def read_tmva(model: Any) -> Graph:
    """Read a weight file of TMVA's boosted decision trees.

    Args:
        model: path of an XML file.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is damaged.
        UnsupportedError: regression, another method, or inputs that TMVA transforms.
    """
    path = Path(model)
    root = _parse(path)
    built, link, boosting = build_tmva(root, str(path))
    names = [v.get("Expression", "") for v in root.iter("Variable")][: len(built.forest.missing)]
    facts = {"framework": "TMVA", "boosting": boosting, "features": ", ".join(names)[:1000]}
    return as_graph(
        built, link, name=path.stem, source=str(path), facts=facts, nans=False, features=names
    )  # fmt: skip


def list_tmva(model: Any) -> list[Listed]:
    """List what a weight file is made of."""
    return [Listed("forest", _parse(Path(model)).get("Method", "BDT"))]


def _parse(path: Path) -> Element:
    data = read_bytes(path)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ModelError(
            "a weight file of TMVA defines entities, which none does", place=str(path)
        )  # fmt: skip
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ModelError(
            "a weight file of TMVA is cut short, or no XML",
            place=str(path),
            found=error,
            remedy="train again, or copy the file again",
        ) from None


def _refused(source: str, what: str, found: object, supported: str) -> UnsupportedError:
    return UnsupportedError(what, place=source, found=found, supported=supported)


def build_tmva(root: Element, source: str) -> tuple[Built, tuple[Op, ...], str]:
    """Return the forest of a file, what stands behind it, and the kind of boosting."""
    method = root.get("Method", "")
    if not method.startswith("BDT"):
        raise _refused(source, "a method of TMVA is not read", method, "BDT")
    weights = root.find("Weights")
    if weights is None or not len(weights):
        raise ModelError("a weight file of TMVA holds no trees", place=source)
    options = {o.get("name"): (o.text or "").strip() for o in root.iter("Option")}
    if options.get("DoPreselection", "False") == "True":
        raise _refused(source, "cuts before the trees are not read", "DoPreselection", "False")
    kind = weights.get("AnalysisType", "0")
    if kind not in ("0", "2"):
        raise _refused(
            source, "regression with TMVA is not read", f"AnalysisType {kind}", "classification"
        )
    if any(int(t.get("NTransformations", "0")) for t in root.iter("Transformations")):
        raise _refused(
            source, "TMVA transforms the inputs first", "Transformations", "variables as they are"
        )
    variables = root.find("Variables")
    inputs = int(_number(variables, "NVar", source)) if variables is not None else 0
    boosting = options.get("BoostType", "AdaBoost")
    gradient = boosting == "Grad"
    found = root.find("Classes")
    classes = int(_number(found, "NClass", source)) if found is not None else 2
    outputs = classes if kind == "2" else 1
    if not 0 < outputs <= MOST_CLASSES or (outputs > 1 and not gradient):
        raise _refused(source, "several classes", boosting, "BoostType=Grad, for several classes")
    shares = np.array([_number(tree, "boostWeight", source) for tree in weights])
    shares = np.ones(len(shares)) if gradient else shares / shares.sum()
    value = "res" if gradient else "purity"
    if not gradient and options.get("UseYesNoLeaf", "True") == "True":
        value = "nType"
    trees = [
        _tree(tree, k % outputs, outputs, value, float(share), Place(source, f"tree {k}"))
        for k, (tree, share) in enumerate(zip(weights, shares, strict=True))
    ]
    built = build(trees, inputs, np.zeros(outputs), SINGLE, Place(source))
    link = LINKS["softmax"] if outputs > 1 else (Function("tanh"),)
    return built, link if gradient else (), boosting


def _number(element: Element | None, name: str, source: str) -> float:
    """Return an attribute that is a number."""
    text = None if element is None else element.get(name)
    try:
        return float(text or "")
    except ValueError:
        raise ModelError(
            "an attribute of a TMVA file is no number",
            place=Place(source, "" if element is None else element.tag, name),
            found=text,
        ) from None


def _tree(tree: Element, output: int, outputs: int, value: str, share: float, place: Place) -> Tree:
    """Return one tree, its nodes in the order of the file."""
    nodes = list(tree.iter("Node"))
    number = {id(node): n for n, node in enumerate(nodes)}
    count = len(nodes)
    if not count:
        raise ModelError("a tree has no nodes", place=place)
    feature, threshold = np.zeros(count, np.int64), np.zeros(count)
    left, right = np.full(count, -1), np.full(count, -1)
    values: Reals = np.zeros((count, outputs))
    for n, node in enumerate(nodes):
        children = {child.get("pos"): child for child in node if child.tag == "Node"}
        if not children:
            leaf = np.float32(_number(node, value, place.source))
            values[n, output] = float(leaf) * share
            continue
        if set(children) != {"l", "r"}:
            raise ModelError("a node of a tree does not have two children", place=place)
        if int(_number(node, "NCoef", place.source) if node.get("NCoef") else 0):
            raise UnsupportedError(
                "a node cuts on a combination of variables (Fisher)",
                place=place,
                supported="cuts on one variable",
                remedy="train with UseFisherCuts=False",
            )
        feature[n] = int(_number(node, "IVar", place.source))
        threshold[n] = np.float32(_number(node, "Cut", place.source))
        sides = ("l", "r") if _number(node, "cType", place.source) else ("r", "l")
        left[n], right[n] = (number[id(children[side])] for side in sides)
    return Tree(feature, threshold, left, right, np.zeros(count, np.bool_), values)
