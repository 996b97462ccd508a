"""Train what a list of configurations asks for, where only NumPy and PyTorch are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gatewright.base import FileError, OptionError
from gatewright.train.estimator import Estimator
from gatewright.train.files import load, save
from gatewright.train.kan import KanClassifier, KanRegressor
from gatewright.train.network import Network
from gatewright.train.tables import TableClassifier
from gatewright.train.weightless import WeightlessClassifier

ESTIMATORS: dict[str, type[Estimator]] = {
    "kan": KanClassifier,
    "kan-regressor": KanRegressor,
    "tables": TableClassifier,
    "weightless": WeightlessClassifier,
}
"""Estimators by the word that configurations have for them."""

WHERE = ("device", "threads", "verbose")
"""Parameters that say where training runs, not what is trained."""


def estimator_of(config: Mapping[str, Any]) -> Estimator:
    """Return the estimator of a configuration: `estimator`, and its `params`.

    Raises:
        OptionError: one of them is not known.
    """
    name = config.get("estimator")
    if name not in ESTIMATORS:
        raise OptionError("an estimator is not known", found=name,
                          supported=", ".join(ESTIMATORS))  # fmt: skip
    params = config.get("params", {})
    if not isinstance(params, Mapping):
        raise OptionError("parameters are not given by name", found=params)
    return ESTIMATORS[name]().set_params(**params)


def train_one(config: Mapping[str, Any], x: ArrayLike, y: ArrayLike) -> Network:
    """Train one configuration; return its tables, with the configuration as a fact.

    Args:
        config: `{"name": ..., "estimator": "kan", "params": {"hidden": [8]}}`.
        x: (samples, features).
        y: (samples,) classes or numbers.

    Raises:
        GatewrightError: the configuration or the data are malformed.
    """
    start = time.process_time(), time.perf_counter()
    network = estimator_of(config).fit(x, y)._fitted()
    times = time.process_time() - start[0], time.perf_counter() - start[1]
    facts = {
        **network.facts,
        "configuration": _identity(config),
        "training CPU s": f"{times[0]:.1f}",
        "training s": f"{times[1]:.1f}",
    }
    return replace(network, facts=facts)


def is_done(config: Mapping[str, Any], path: Path) -> bool:
    """Say whether a file holds the tables of just this configuration."""
    if not path.is_file():
        return False
    return load(path).facts.get("configuration") == _identity(config)


def _identity(config: Mapping[str, Any]) -> str:
    """Return a configuration as text, without where it is trained."""
    params = {k: v for k, v in config.get("params", {}).items() if k not in WHERE}
    return json.dumps({**config, "params": params}, sort_keys=True)


def train_all(
    configs: Sequence[Mapping[str, Any]], x: ArrayLike, y: ArrayLike, folder: Path,
    tell: Callable[[str], None] = print,
) -> list[Path]:  # fmt: skip
    """Train configurations one after the other, each to `NAME.npz`; what is there already stays.

    Raises:
        OptionError: names are missing or the same.
        GatewrightError: as `train_one`.
    """
    names = [str(config.get("name", "")) for config in configs]
    safe = all(name and name == Path(name).name for name in names)
    if not safe or len(set(names)) < len(names):
        raise OptionError("configurations need names of their own, for their files", found=names)
    for config in configs:
        estimator_of(config)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, config in enumerate(configs):
        path = folder / f"{config['name']}.npz"
        paths.append(path)
        if is_done(config, path):
            tell(f"{config['name']}: is there already")
            continue
        network = train_one(config, x, y)
        save(network, path)
        judged = next((v for k, v in network.facts.items() if k.endswith("held out")), "")
        tell(f"{config['name']} ({number + 1}/{len(configs)}): {network.tables} tables, "
             f"{judged} held out, {network.facts['training s']} s")  # fmt: skip
    return paths


def read_configs(path: Path) -> list[Mapping[str, Any]]:
    """Read a list of configurations from a JSON file.

    Raises:
        FileError: it cannot be read, or is no such list.
    """
    try:
        configs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError("configurations cannot be read", place=str(path), found=error) from None
    if not isinstance(configs, list) or not all(isinstance(c, dict) for c in configs):
        raise FileError("a file holds no list of configurations", place=str(path),
                        supported='[{"name": ..., "estimator": ..., "params": {...}}]')  # fmt: skip
    return configs


def read_samples(path: Path, rows: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Read `x` and `y` of an `.npz` file, the first rows or all.

    Raises:
        FileError: it cannot be read, or does not hold them.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["x"][:rows], file["y"][:rows]
    except (OSError, ValueError, KeyError) as error:
        raise FileError("samples cannot be read", place=str(path), found=error,
                        supported="an .npz file with arrays x and y")  from None  # fmt: skip
