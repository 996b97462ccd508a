"""What stands behind a forest's sums: a link function, and the graph of it all.

One rule for all libraries: the graph computes what `predict_proba` gives (one number, that of the
second class, where there are two classes), or `predict` where there are no classes. The firmware
gives what stands before the link: raw scores, of the same order. The link is the host's
(`quantize.structure.move_to_host`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gatewright.frontends.trees.nodes import Built
from gatewright.ir import Graph, Input, Node, Op, Output
from gatewright.ops import Affine, Forest, Function, Softmax

LINKS: dict[str, tuple[Op, ...]] = {
    "identity": (),
    "exp": (Function("exp"),),
    "sigmoid": (Function("sigmoid"),),
    "softmax": (Softmax(),),
}
"""Operations behind the sums."""

LONGEST_NAME = 100
"""Characters of a name that are kept."""

HALF = 0.5
"""Probability at which one of two classes is as likely as the other."""

NAN_KNOWN, NAN_REFUSED = "go where training sent them", "refused by the library"
"""What a graph's facts say of missing values."""


def scaled(scale: float, link: str = "identity", offset: float = 0.0) -> tuple[Op, ...]:
    """Return a link behind a scale and an offset."""
    return (Affine(np.asarray(scale), np.asarray(offset)), *LINKS[link])


def _named(
    forest: Forest, link: Sequence[Op], features: Sequence[str], classes: Sequence[str]
) -> Forest:
    """Return a forest with the user's names; those that are mere numbers say nothing."""
    outputs: list[str] = []
    if len(classes) == len(forest.base):
        outputs = [f"class {name}"[:LONGEST_NAME] for name in classes]
    elif any(isinstance(op, Softmax) for op in link):
        outputs = [f"class {k}" for k in range(len(forest.base))]
    known = features if len(features) == len(forest.missing) else ()
    names = ["" if str(name).isdigit() else str(name)[:LONGEST_NAME] for name in known]
    return replace(forest, feature_names=tuple(names), output_names=tuple(outputs))


def centred() -> tuple[Op, ...]:
    """Return the link behind a probability less a half, as which one of two classes is summed up.

    So the firmware's decision is a sign, as it is before a sigmoid.
    """
    return scaled(1.0, offset=HALF)


def as_graph(
    built: Built,
    link: Sequence[Op],
    *,
    name: str,
    source: str,
    facts: Mapping[str, str],
    nans: bool,
    output: str = "score",
    features: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Graph:
    """Return the graph of a forest and its link.

    Args:
        built: the forest.
        link: what stands behind its sums.
        name: of the graph.
        source: where it came from, for messages.
        facts: what the report is to say of the model.
        output: name of the output.
        nans: missing values go where training sent them; else the library refuses them.
        features: the user's names of them, in order; none where the model has none.
        classes: likewise.
    """
    forest = _named(built.forest, link, features, classes)
    nodes = [Node("forest", forest, ("x",), "forest")]
    for op in link:
        word = op.name if isinstance(op, Function) else op.kind.lower()
        names = {node.name for node in nodes}
        free = word if word not in names else f"{word}_{len(nodes)}"
        nodes.append(Node(free, op, (nodes[-1].name,), "link"))
    depths = {
        "trees": str(forest.trees),
        "nodes": str(len(forest.features)),
        "missing values": NAN_KNOWN if nans else NAN_REFUSED,
    }
    return Graph(
        name,
        (Input("x", (len(forest.missing),)),),
        tuple(nodes),
        (Output(output, nodes[-1].name),),
        source,
        {**facts, **depths},
    )
