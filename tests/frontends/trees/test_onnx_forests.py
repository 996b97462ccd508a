"""ONNX-ML's tree ensembles against onnxruntime."""

import numpy as np
import onnx
import pytest
from library_rows import rows
from onnx import TensorProto, helper, numpy_helper

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.frontends import read_model
from gatewright.ir import run_real
from gatewright.ops import Forest

ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
ML = "ai.onnx.ml"
RNG = np.random.default_rng(8)
X = RNG.normal(size=(400, 3)).astype(np.float32)


def model(node, outputs, features=3, version=3, double=False):
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", kind, ["n", features])],
        [helper.make_tensor_value_info(n, t, None) for n, t in outputs.items()],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(ML, version)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


NODES = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 1, 0, 0, 0, 2, 0, 0],
    "nodes_values": [0.25, -0.5, 0, 0, 0, 0.125, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF", "BRANCH_GTE", "LEAF",
                    "LEAF"],
    "nodes_truenodeids": [1, 2, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [4, 3, 0, 0, 0, 2, 0, 0],
    "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 1, 0, 0],
}  # fmt: skip
LEAVES = {
    "treeids": [0] * 6 + [1] * 4,
    "nodeids": [2, 2, 3, 3, 4, 4, 1, 1, 2, 2],
    "ids": [0, 1] * 5,
    "weights": [0.5, 0.75, 0.25, 0.0, -1.0, 3.0, 2.0, -0.5, -0.125, 1.25],
}


def regressor(transform="NONE", base=(0.5, -1.0), **changes):
    leaves = {f"target_{key}": value for key, value in LEAVES.items()}
    given = {**NODES, **leaves, "n_targets": 2, "base_values": list(base), **changes}
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain=ML, post_transform=transform, **given
    )
    return model(node, {"y": TensorProto.FLOAT})


def classifier(transform="NONE", ids=LEAVES["ids"], labels=(0, 1), weights=None, **changes):
    leaves = {f"class_{key}": value for key, value in LEAVES.items()}
    leaves["class_ids"] = ids
    leaves["class_weights"] = weights or leaves["class_weights"]
    key = "classlabels_int64s" if isinstance(labels[0], int) else "classlabels_strings"
    given = {**NODES, **leaves, key: list(labels), **changes}
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "p"],
        domain=ML,
        post_transform=transform,
        **given,
    )
    kind = TensorProto.INT64 if isinstance(labels[0], int) else TensorProto.STRING
    return model(node, {"label": kind, "p": TensorProto.FLOAT})


def ensemble(modes, splits, members=None, transform=0, how=1):
    """Return a TreeEnsemble of two nodes, one below the other, and a stump."""
    single = np.asarray(splits, np.float32)
    given = {
        "n_targets": 1,
        "tree_roots": [0, 2],
        "nodes_modes": numpy_helper.from_array(np.asarray(modes, np.uint8)),
        "nodes_splits": numpy_helper.from_array(single),
        "nodes_featureids": [0, 1, 2],
        "nodes_truenodeids": [1, 0, 3],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [2, 1, 0],
        "nodes_falseleafs": [1, 1, 1],
        "leaf_targetids": [0, 0, 0, 0],
        "leaf_weights": numpy_helper.from_array(np.asarray([1, 2, 4, 8], np.float32)),
        "post_transform": transform,
        "aggregate_function": how,
    }
    if members is not None:
        given["membership_values"] = numpy_helper.from_array(np.asarray(members, np.float32))
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain=ML, **given)
    return model(node, {"y": TensorProto.FLOAT}, version=5)


MODELS = {
    "regression": regressor(),
    "logistic": regressor("LOGISTIC"),
    "softmax": regressor("SOFTMAX"),
    "average": regressor(aggregate_function="AVERAGE", base=(0.0, 0.0)),
    "classes": classifier(
        labels=(0, 1, 2), ids=[0, 1, 1, 2, 2, 0, 0, 1, 1, 2], weights=[k / 8 for k in range(1, 11)]
    ),
    "two classes by one score": classifier("LOGISTIC", ids=[0] * 10),
    "two classes by one positive score": classifier(ids=[0] * 10, weights=[0.125] * 7 + [0.25] * 3),
    "new": ensemble([0, 1, 3], [0.25, -0.5, 0.5]),
    "new, others": ensemble([2, 3, 1], [0.25, -0.5, 0.5]),
    "new, equal": ensemble([4, 5, 0], [1.0, 2.0, 0.5]),
}


def theirs(proto, x):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(proto.SerializeToString(), options)
    return session.run(None, {"x": x.astype(np.float32)})


@pytest.mark.parametrize("name", MODELS)
def test_against_onnxruntime(name):
    proto = MODELS[name]
    graph = read_model(proto)
    forest = next(node.op for node in graph.nodes if isinstance(node.op, Forest))
    missing = 0.05 if "new" not in name else 0.0
    x = rows(forest, X, missing=missing).astype(np.float32)
    if "equal" in name:
        x = RNG.integers(-1, 4, x.shape).astype(np.float32)
    values = run_real(graph, {"x": x.astype(np.float64)})
    for output, answer in zip(graph.outputs, theirs(proto, x), strict=True):
        ours = values[output.value].reshape(answer.shape)
        np.testing.assert_allclose(ours, answer, atol=3e-7)


def test_link_of_a_single_score():
    """What ONNX says; onnxruntime leaves the link out where there is one score."""
    graph = read_model(ensemble([0, 0, 0], [0, 0, 0], transform=2))
    assert graph.nodes[-1].op.name == "sigmoid"


def test_members_of_sets():
    proto = ensemble([6, 0, 0], [0, 0.5, 0.5], members=[1, 3, np.nan])
    graph = read_model(proto)
    x = np.array([[1, 0, 0], [2, 0, 0], [3, 1, 1], [0, 0, 1.0]])
    ours = run_real(graph, {"x": x})[graph.outputs[0].value][:, 0]
    np.testing.assert_array_equal(ours, [1 + 8, 4 + 8, 2 + 1, 4 + 1])


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "GradientBoostingClassifier"])
def test_exported_by_skl2onnx(kind):
    skl2onnx = pytest.importorskip("skl2onnx", reason="needs skl2onnx")
    estimators = pytest.importorskip("sklearn.ensemble")
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    trained = getattr(estimators, kind)(n_estimators=4, max_depth=3).fit(X, y)
    proto = skl2onnx.to_onnx(trained, X[:1], options={"zipmap": False})
    graph = read_model(proto)
    values = run_real(graph, {graph.inputs[0].name: X.astype(np.float64)})
    label, shares = (values[o.value] for o in graph.outputs)
    np.testing.assert_array_equal(label, trained.predict(X))
    np.testing.assert_allclose(shares, trained.predict_proba(X), atol=1e-6)


def refused(proto, kind, *texts):
    with pytest.raises(kind) as caught:
        read_model(proto)
    for text in texts:
        assert text in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("proto", "kind", "text"),
    [
        (classifier(labels=("a", "b")), UnsupportedError, "labels of classes are no positions"),
        (classifier(labels=(3, 5)), UnsupportedError, "integers from 0, in order"),
        (regressor("PROBIT"), UnsupportedError, "what stands behind the sums is not handled"),
        (regressor(aggregate_function="MAX"), UnsupportedError, "trees are not added up"),
        (regressor(nodes_truenodeids=[1, 0, 0, 0, 0, 1, 0, 0]), ModelError, "a loop in tree 0"),
        (regressor(nodes_truenodeids=[1, 7, 0, 0, 0, 1, 0, 0]), ModelError, "a child 7"),
        (regressor(nodes_featureids=[9] * 8), ModelError, "feature that the model does not have"),
        (regressor(nodes_values=[float("nan")] * 8), ModelError, "is not a finite number"),
        (regressor(nodes_values=[0.0]), ModelError, "a tree ensemble is malformed"),
        (regressor(target_nodeids=[99] * 10), ModelError, "nodes of the trees"),
        (regressor(target_ids=[7] * 10), ModelError, "0 to 1"),
        (ensemble([0, 9, 0], [0, 0, 0]), ModelError, "nodes_modes"),
        (ensemble([4, 0, 0], [0.5, 0, 0]), UnsupportedError, "a number that is no category"),
        (ensemble([0, 0, 0], [0, 0, 0], how=3), UnsupportedError, "trees are not added up"),
    ],
)
def test_refused(proto, kind, text):
    refused(proto, kind, text)


def test_loop_of_a_tree_ensemble():
    proto = ensemble([0, 0, 0], [0, 0, 0])
    for attribute in proto.graph.node[0].attribute:
        if attribute.name == "nodes_truenodeids":
            attribute.ints[1] = 0
        if attribute.name == "nodes_trueleafs":
            attribute.ints[1] = 0
    refused(proto, GatewrightError, "a loop")


def test_zip_map_names_the_way():
    node = helper.make_node("ZipMap", ["x"], ["y"], domain=ML, classlabels_int64s=[0, 1, 2])
    proto = model(node, {"y": TensorProto.FLOAT})
    refused(proto, UnsupportedError, "ZipMap", "zipmap")
    assert onnx.__version__
