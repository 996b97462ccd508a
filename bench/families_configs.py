"""What is trained of each family, the smallest first."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]
"""`name` (of files), `family`, `params` (of the estimator, or of the builder)."""


def _kan(edges: int, input_bits: int, bits: tuple[int, ...], hidden: tuple[int, ...] = (8,),
         **more: Any) -> Config:  # fmt: skip
    params = {"hidden": list(hidden), "edges": edges, "input_bits": input_bits,
              "bits": list(bits), "epochs": 60, "batch": 512, "patience": 25, **more}  # fmt: skip
    return {"name": f"kan-{edges}-{input_bits}b", "family": "kan", "params": params}


def _tables(width: int, **more: Any) -> Config:
    params = {"hidden": [width], "epochs": 80, "batch": 512, "patience": 25, **more}
    return {"name": f"tables-{width}", "family": "tables", "params": params}


def _weightless(*tables: int, levels: int = 16) -> Config:
    params = {"tables": list(tables), "levels": levels, "epochs": 60, "batch": 512,
              "patience": 20}  # fmt: skip
    name = "-".join(map(str, tables))
    return {"name": f"weightless-{name}", "family": "weightless", "params": params}


def _forest(rounds: int, depth: int, tolerance: float = 0.001) -> Config:
    return {"name": f"forest-{rounds}x{depth}", "family": "forest",
            "params": {"rounds": rounds, "depth": depth, "input_bits": 8,
                       "tolerance": tolerance}}  # fmt: skip


def _mlp(*hidden: int) -> Config:
    name = "-".join(map(str, hidden))
    return {"name": f"mlp-{name}", "family": "mlp",
            "params": {"hidden": list(hidden), "epochs": 30, "tolerance": 0.005}}  # fmt: skip


CONFIGS: dict[str, list[Config]] = {
    "kan": [
        _kan(15, 4, (4, 5)),
        _kan(25, 5, (5, 6)),
        _kan(40, 5, (5, 6)),
        _kan(60, 6, (6, 6)),
        _kan(90, 6, (6, 7)),
        _kan(140, 6, (6, 8), (12,)),
    ],
    "tables": [
        _tables(15, output_adds=2),
        _tables(30, output_adds=3),
        _tables(60, output_adds=5),
        _tables(120, output_adds=8, input_bits=4),
    ],
    "weightless": [
        _weightless(50),
        _weightless(150),
        _weightless(400, levels=24),
    ],
    "forest": [_forest(3, 3), _forest(6, 3), _forest(10, 3), _forest(10, 4), _forest(25, 4)],
    "mlp": [_mlp(8), _mlp(16, 8), _mlp(32, 16)],
}
"""Configurations by family."""

CEILING: Config = {"name": "float network", "family": "ceiling",
                   "params": {"hidden": [64, 32, 32], "epochs": 30}}  # fmt: skip
"""What the others are compared with: no limit on bits or size."""
