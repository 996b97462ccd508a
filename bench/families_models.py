"""Families that other libraries train: forests by XGBoost, dense networks by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

import gatewright as gw
from gatewright.flow import Design

Found = tuple[Design, np.ndarray, dict[str, str]]
CALIBRATION = 8000


def forest(params: Mapping[str, Any], x: np.ndarray, y: np.ndarray, rows: int, clock: str) -> Found:
    """Train boosted trees on codes of the features, as TreeLUT does; return the design."""
    import xgboost

    bits = int(params["input_bits"])
    low, high = np.quantile(x[:rows].astype(np.float64), [0.002, 0.998], axis=0)
    codes = np.clip(np.floor((x - low) / (high - low) * (1 << bits)), 0, (1 << bits) - 1)
    model = xgboost.XGBClassifier(
        n_estimators=int(params["rounds"]), max_depth=int(params["depth"]), learning_rate=0.5,
        random_state=0, n_jobs=1, tree_method="hist",
    )  # fmt: skip
    model.fit(codes[:rows], y[:rows])
    design = gw.compile(
        model.get_booster(), calibration=codes[:rows], labels=y[:rows], clock=clock,
        tolerance=float(params["tolerance"]),
    )  # fmt: skip
    accuracy = float((model.predict(codes[rows:]) == y[rows:]).mean())
    facts = {"trained": f"{params['rounds']} rounds", "float accuracy": f"{accuracy:.4f}"}
    return design, codes[rows:], facts


def mlp(params: Mapping[str, Any], x: np.ndarray, y: np.ndarray, rows: int, clock: str) -> Found:
    """Train a dense network in floats; return it quantized to a tolerance."""
    model, scaled, accuracy = _float_network(params, x, y, rows)
    design = gw.compile(
        model, calibration=scaled[:CALIBRATION], labels=y[:CALIBRATION], clock=clock,
        tolerance=float(params["tolerance"]),
    )  # fmt: skip
    facts = {"trained": f"{params['epochs']} epochs", "float accuracy": f"{accuracy:.4f}"}
    return design, scaled[rows:], facts


def ceiling(params: Mapping[str, Any], x: np.ndarray, y: np.ndarray, rows: int) -> float:
    """Return the accuracy of a float network that is far larger than what is compiled."""
    return _float_network(params, x, y, rows)[2]


def _float_network(
    params: Mapping[str, Any], x: np.ndarray, y: np.ndarray, rows: int
) -> tuple[Any, np.ndarray, float]:
    """Return a trained network, the features as it takes them, and its accuracy behind `rows`."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    mean, spread = x[:rows].mean(0), x[:rows].std(0)
    # Beyond a few deviations nothing is learnt, and inputs would need bits for it.
    scaled = np.clip((x - mean) / spread, -4, 4).astype(np.float32)
    sizes = [x.shape[1], *params["hidden"]]
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(sizes[-1], int(y.max()) + 1))
    data, wanted = torch.tensor(scaled[:rows]), torch.tensor(y[:rows])
    epochs, batch = int(params["epochs"]), 512
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for part in torch.randperm(rows).split(batch):
            loss = nn.functional.cross_entropy(model(data[part]), wanted[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        found = model(torch.tensor(scaled[rows:])).argmax(1).numpy()
    return model, scaled, float((found == y[rows:]).mean())
