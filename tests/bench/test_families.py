"""The comparison of families: its configurations, table, targets and plot."""

import numpy as np
import pytest
from bench.families_configs import CONFIGS

from bench import families
from gatewright.train.run import estimator_of, train_all


def row(name, family, accuracy, lut):
    return {"name": name, "family": family, "accuracy": accuracy, "lut": lut, "ff": 9,
            "cycles": 2, "facts": {"trained": "5 epochs"}}  # fmt: skip


def test_names_are_unique_and_parameters_known():
    configs = [c for found in CONFIGS.values() for c in found]
    assert len({c["name"] for c in configs}) == len(configs)
    for config in configs:
        if config["family"] in families.TABLES:
            estimator_of(families._for_training(config, {"threads": 1}))._check()


def test_quick_takes_one_of_each():
    found = families.chosen(["kan", "forest"], quick=True)
    assert [c["family"] for c in found] == ["kan", "forest"]
    assert found[0]["params"]["epochs"] == 3


def test_targets():
    rows = [row("a", "kan", 0.65, 390), {"name": "b", "family": "mlp", "trouble": "no"}]
    assert [met for _, met in families.verdicts(rows, 0.666)] == [False, True]
    larger = [row("c", "kan", 0.657, 1400)]
    assert [met for _, met in families.verdicts(larger, 0.666)] == [True, False]
    assert [met for _, met in families.verdicts(larger, 0.68)] == [False, False]


def test_table_and_plot(tmp_path):
    rows = [row("a", "kan", 0.656, 1200), row("b", "kan", 0.64, 300),
            {"name": "c", "family": "mlp", "trouble": "not there\nmore"}]  # fmt: skip
    lines = families.table(rows, 0.666).splitlines()
    assert lines[2].startswith("| float network | 66.60% |")
    assert lines[3].startswith("| b | 64.00% | 2.60 points | 300 |")
    assert lines[-1].startswith("| c | not there |")
    families.plot(rows, 0.666, tmp_path / "a.svg")
    families.plot(rows, 0.666, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()


def test_page(tmp_path):
    (tmp_path / "images").mkdir()
    families.publish([row("a", "kan", 0.656, 1200)], 0.666, tmp_path)
    page = (tmp_path / "families.md").read_text()
    assert "| a | 65.60% | 1.00 points | 1,200 |" in page
    assert "- within 2.5 points under 400 LUT: missed" in page
    assert (tmp_path / "images" / "families.svg").read_text().startswith("<?xml")


def test_the_float_network_is_trained_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    monkeypatch.setattr(families, "TRAINED", 400)
    told = []
    first = families.ceiling(tmp_path, x, y, told.append)
    assert first == families.ceiling(tmp_path, x, y, told.append)
    assert told == ["float network: train"]
    assert first > 0.9


@pytest.mark.parametrize("family", families.TABLES)
def test_a_trained_family_is_measured(family, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    monkeypatch.setattr(families, "TRAINED", 200)
    small = {"hidden": [2]} if family != "weightless" else {"tables": [4], "levels": 3}
    config = {"name": "x", "family": family, "params": {**small, "epochs": 1, "batch": 64}}
    train_all([families._for_training(config, {"threads": 1})], x[:200], y[:200], tmp_path)
    told = []
    first = families.measured(config, tmp_path, x, y, told.append)
    again = families.measured(config, tmp_path, x, y, told.append)
    assert first == again
    assert len(told) == 1
    assert first["lut"] > 0
