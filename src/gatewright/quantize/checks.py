"""Refuse what the user gave that does not belong to the model."""

from __future__ import annotations

import numpy as np

from gatewright.base import DataError, Place
from gatewright.quantize.data import Calibration
from gatewright.quantize.formats import Formats
from gatewright.quantize.structure import Structure


def check_rules(structure: Structure, formats: Formats) -> None:
    """Refuse rules that meet nothing that is to be quantized."""
    nodes = {node.name: node for node in structure.graph.nodes}
    weighted = [nodes[n] for n in nodes if n in structure.weighted]
    sited = [nodes[n] for n, site in structure.sites.items() if site.role not in ("input", "index")]
    sited += [n for n in nodes.values() if n.op.rounds == "bits" and not n.op.is_formatted]
    biased = [node for node in weighted if {"bias", "offset"} & {*node.op.constants}]
    formats.check_used(
        {
            "weight": [name for node in weighted for name in (node.layer, node.name)],
            "bias": [name for node in biased for name in (node.layer, node.name)],
            "activation": [name for node in sited for name in (node.layer, node.name)],
            "input": [n for n, site in structure.sites.items() if site.role == "input"],
        }
    )


def check_indices(structure: Structure, data: Calibration) -> None:
    """Refuse fractions where positions or classes are expected."""
    for name, site in structure.sites.items():
        if site.role != "index":
            continue
        for part in (data.fit, data.choice, data.report):
            x = part.inputs[name]
            if (x != np.rint(x)).any():
                raise DataError(
                    "an input of positions or classes holds fractions",
                    place=Place(structure.graph.source, name, "calibration"),
                    found=float(x[x != np.rint(x)][0]),
                    supported=f"whole numbers from {site.limits[0]} to {site.limits[1]}",
                )
