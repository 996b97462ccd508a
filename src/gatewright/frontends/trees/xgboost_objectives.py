"""What XGBoost's objectives make of sums, and of the base score that a file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gatewright.ir import Reals


def _same(base: Reals) -> Reals:
    return base


def _logit(base: Reals) -> Reals:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.log(1 / base.astype(np.float32) - np.float32(1)), np.float64)


def _log(base: Reals) -> Reals:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(base.astype(np.float32)), np.float64)


@dataclass(frozen=True)
class Objective:
    """What an objective makes of sums, and of its base score."""

    link: str
    margin: Callable[[Reals], Reals] = _same


OBJECTIVES: dict[str, Objective] = {
    "binary:hinge": Objective("identity"),
    "binary:logistic": Objective("sigmoid", _logit),
    "binary:logitraw": Objective("identity"),
    "count:poisson": Objective("exp", _log),
    "multi:softmax": Objective("softmax"),
    "multi:softprob": Objective("softmax"),
    "rank:map": Objective("identity"),
    "rank:ndcg": Objective("identity"),
    "rank:pairwise": Objective("identity"),
    "reg:absoluteerror": Objective("identity"),
    "reg:gamma": Objective("exp", _log),
    "reg:linear": Objective("identity"),
    "reg:logistic": Objective("sigmoid", _logit),
    "reg:pseudohubererror": Objective("identity"),
    "reg:quantileerror": Objective("identity"),
    "reg:squarederror": Objective("identity"),
    "reg:squaredlogerror": Objective("identity"),
    "reg:tweedie": Objective("exp", _log),
    "survival:aft": Objective("exp", _log),
    "survival:cox": Objective("exp", _log),
}
"""By name. Those without probabilities (hinge, ranking) give their scores."""
