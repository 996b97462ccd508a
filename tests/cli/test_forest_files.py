"""Forests on the command line: files whose ending does not say what they are."""

import json

import numpy as np


def tree(feature, threshold, low, high):
    return {
        "feature": [feature, -2, -2],
        "threshold": [threshold, 0.0, 0.0],
        "value": [0.0, low, high],
        "children_left": [1, -1, -1],
        "children_right": [2, -1, -1],
    }


MODEL = {
    "n_classes": 2, "n_features": 2, "n_trees": 2, "max_depth": 1, "init_predict": [0.0],
    "norm": 1.0, "trees": [[tree(0, 0.25, -1.0, 0.5)], [tree(1, -0.5, 0.25, 1.5)]],
}  # fmt: skip


def test_inspect_compile_verify(call, tmp_path):
    model, data, folder = tmp_path / "bdt.json", tmp_path / "x.npy", tmp_path / "out"
    model.write_text(json.dumps(MODEL))
    np.save(data, np.random.default_rng(1).integers(-8, 8, (200, 2)) / 8)
    done = call("inspect", model)
    assert done.status == 0, done.err
    assert "conifer" in done.out
    assert "forest" in done.out
    done = call("compile", model, "-o", folder, "--calibrate", data, "--quiet")
    assert done.status == 0, done.err
    done = call("verify", folder, "--quiet")
    assert done.status == 0, done.err
    done = call("predict", folder, data, "--output", tmp_path / "y.npy", "--quiet")
    assert done.status == 0, done.err


def test_unknown_content_lists_what_is_read(call, tmp_path):
    path = tmp_path / "model.json"
    path.write_text('{"layers": []}')
    done = call("compile", path, "-o", tmp_path / "out")
    assert done.status == 2
    assert "JSON with the keys layers" in done.err
    assert "XGBoost (JSON)" in done.err
    assert "TMVA (XML)" in done.err


def test_code_word_for_missing_values_is_refused_by_name(call, tmp_path):
    path = tmp_path / "bdt.json"
    path.write_text(json.dumps(MODEL))
    done = call("compile", path, "-o", tmp_path / "out", "--missing", "-8")
    assert done.status == 2
    assert "of which the model knows nothing" in done.err
