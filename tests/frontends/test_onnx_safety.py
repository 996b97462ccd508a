"""Damaged, hostile and unsupported ONNX files: one clear error each."""

from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_models import model, node, single

from gatewright.base import FileError, GatewrightError, ManyErrors, ModelError, UnsupportedError
from gatewright.frontends.onnx import read_onnx

F = np.float32
SMALL = model(
    [node("MatMul", "x w", "y")], {"x": (4,)}, constants={"w": np.ones((4, 2), F)}, domains=()
)


def refused(proto, kind, *texts):
    with pytest.raises(kind) as caught:
        read_onnx(proto)
    for text in texts:
        assert text in str(caught.value), str(caught.value)


def write(path, proto):
    path.write_bytes(proto.SerializeToString())
    return path


def test_file_is_read(tmp_path):
    path = write(tmp_path / "small.onnx", SMALL)
    assert read_onnx(path).source == str(path)
    assert read_onnx(str(path)).facts["framework"] == "ONNX"


def test_missing_file(tmp_path):
    refused(tmp_path / "none.onnx", FileError, "cannot be read", "No such file")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 not a model", b"\x08", b"\x80\x04pickle", b"{}"]
)
def test_not_a_model(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    refused(path, ModelError, "not an ONNX model", "m.onnx", "export the model again")


@settings(max_examples=40)
@given(st.integers(0, len(SMALL.SerializeToString()) - 1))
def test_cut_off_anywhere(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "m.onnx"
    path.write_bytes(SMALL.SerializeToString()[:length])
    with pytest.raises(GatewrightError):
        read_onnx(path)


@settings(max_examples=80)
@given(st.integers(0, len(SMALL.SerializeToString()) - 1), st.integers(1, 255))
def test_changed_byte_is_a_model_or_an_error(tmp_path_factory, place, change):
    data = bytearray(SMALL.SerializeToString())
    data[place] ^= change
    path = tmp_path_factory.mktemp("changed") / "m.onnx"
    path.write_bytes(data)
    with suppress(GatewrightError):  # any other exception fails the test
        read_onnx(path)


# ---- weights


def test_weights_not_finite():
    for bad in (np.nan, np.inf):
        weight = np.ones((4, 2), F)
        weight[1, 0] = bad
        refused(
            single("MatMul", [4], {"w": weight}), ModelError, "NaN or infinity", "initializer w"
        )


def test_claimed_size_without_data():
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20], raw_data=b"1234"
    )
    refused(weights(tensor), ModelError, "impossible size", "initializer w")
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 2], raw_data=b"1234")
    refused(weights(tensor), ModelError, "do not fill its shape", "supported: 32 bytes")
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-4, -2], raw_data=b"1" * 32)
    refused(weights(tensor), ModelError, "impossible size")
    tensor = TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[b"x"])
    refused(weights(tensor), UnsupportedError, "a type that is not read", "STRING")


def weights(tensor):
    return model([node("MatMul", "x w", "y")], {"x": (4,)}, constants={"w": tensor})


def external(location, length=None, offset=None):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 2])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return weights(tensor)


DATA = np.arange(8, dtype=F).reshape(4, 2)


def test_external_data_in_the_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"skip" + DATA.tobytes())
    path = write(tmp_path / "m.onnx", external("sub/w.bin", 32, 4))
    assert np.array_equal(read_onnx(path).nodes[0].op.weight, DATA)


@pytest.mark.parametrize("location", ["../w.bin", "sub/../../w.bin", "", "..\\w.bin", "w\0.bin"])
def test_external_data_outside_is_refused(tmp_path, location):
    (tmp_path / "w.bin").write_bytes(DATA.tobytes())
    folder = tmp_path / "inner"
    folder.mkdir()
    path = write(folder / "m.onnx", external(location))
    refused(path, ModelError, "outside the model's folder", "no '..', no link")


def test_external_data_by_absolute_path_or_link(tmp_path):
    (tmp_path / "w.bin").write_bytes(DATA.tobytes())
    folder = tmp_path / "inner"
    folder.mkdir()
    refused(write(folder / "a.onnx", external(str(tmp_path / "w.bin"))), ModelError, "outside")
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    refused(write(folder / "l.onnx", external("link.bin")), ModelError, "outside")
    (folder / "linked").symlink_to(tmp_path)
    refused(write(folder / "d.onnx", external("linked/w.bin")), ModelError, "outside")


def test_external_data_missing_short_or_in_memory(tmp_path):
    refused(
        write(tmp_path / "m.onnx", external("none.bin")), ModelError, "external data are missing"
    )
    (tmp_path / "w.bin").write_bytes(DATA.tobytes()[:20])
    refused(write(tmp_path / "m.onnx", external("w.bin")), ModelError, "do not fill")
    (tmp_path / "w.bin").write_bytes(DATA.tobytes())
    refused(write(tmp_path / "m.onnx", external("w.bin", 32, -4)), ModelError, "do not fill")
    refused(write(tmp_path / "m.onnx", external("w.bin", 16)), ModelError, "do not fill")
    refused(write(tmp_path / "m.onnx", external("w.bin", "x")), ModelError, "no plain offset")
    refused(external("w.bin"), ModelError, "folder is not known")


def test_sparse_initializer():
    proto = onnx.ModelProto()
    proto.CopyFrom(SMALL)
    values = numpy_helper.from_array(np.ones(1, F), "s")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, np.int64)), [4])
    proto.graph.sparse_initializer.append(sparse)
    refused(proto, UnsupportedError, "sparse initializers", "dense ones")


# ---- graphs


def test_cycle():
    proto = model(
        [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "a", "y")], {"x": (2,)}
    )
    refused(proto, ModelError, "form a cycle", "Add_a")


def test_names_that_do_not_fit():
    refused(
        model([node("Relu", "z", "y")], {"x": (2,)}), ModelError, "nothing gives", "found:     z"
    )
    twice = model([node("Relu", "x", "y"), node("Neg", "x", "y")], {"x": (2,)})
    refused(twice, ModelError, "two sources")
    refused(model([], {"x": (2,)}), UnsupportedError, "an output of the model")


def test_names_that_are_no_text(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(SMALL.SerializeToString().replace(b"MatMul_y", b"MatMul\xff\xfe"))
    refused(path, ModelError, "a name in the model is no text", "UTF-8")
    refused(model([node("Relu", "x", "y"), helper.make_node("Relu", ["x"], [])], {"x": (2,)}),
            ModelError, "a node gives no result")  # fmt: skip


def test_shapes_that_do_not_fit():
    proto = model([node("Add", "a b", "y")], {"a": (3,), "b": (4,)})
    refused(proto, ModelError, "do not fit together", "(batch, 3) and (batch, 4)")
    wide = model([node("Add", "a b", "y")], {"a": (1 << 20, 1), "b": (1, 1 << 20)})
    refused(wide, UnsupportedError, "larger than a circuit can be", str(1 << 40))


def test_control_flow_and_functions():
    body = helper.make_graph([node("Relu", "x", "z")], "b", [], [])
    branch = node("If", "x", "y", then_branch=body, else_branch=body)
    refused(model([branch], {"x": (2,)}), UnsupportedError, "a graph of its own", "If")
    proto = model([node("Mine", "x", "y", domain="local")], {"x": (2,)}, domains=("local",))
    proto.functions.append(
        helper.make_function(
            "local", "Mine", ["a"], ["b"], [node("Relu", "a", "b")], proto.opset_import
        )
    )
    refused(proto, UnsupportedError, "calls a function", "inline functions")


def test_unknown_operators_are_all_named():
    nodes = [node("Det", "x", "a"), node("Multinomial", "x", "b"), node("Add", "a b", "y")]
    with pytest.raises(ManyErrors) as caught:
        read_onnx(model(nodes, {"x": (2,)}))
    assert len(caught.value.errors) == 2
    text = str(caught.value.text())
    assert "Det" in text
    assert "Multinomial" in text
    assert "Conv" in text  # a long list is cut off
    foreign = model(
        [node("Relu", "x", "y", domain="com.example")], {"x": (2,)}, domains=("com.example",)
    )
    refused(foreign, UnsupportedError, "com.example.Relu", "BipolarQuant")


def test_unknown_and_wrong_attributes():
    refused(single("Relu", [2], alpha=1.0), UnsupportedError, "not handled", "attribute 'alpha'")
    refused(single("LeakyRelu", [2], alpha=1), ModelError, "wrong type", "found:     int")
    refused(single("LeakyRelu", [2], alpha=float("nan")), ModelError, "no finite number")
    refused(single("Gemm", [2], {"w": np.ones((2, 2), F)}, transB=2), ModelError, "neither 0 nor 1")
    refused(single("Gemm", [2], {"w": np.ones((2, 2), F)}, transA=1), UnsupportedError, "transA")


@pytest.mark.parametrize("opset", [6, 99])
def test_opset(opset):
    proto = single("Relu", [2])
    proto.opset_import[0].version = opset
    refused(proto, UnsupportedError, "operator set is not handled", f"opset {opset}", "7 to 25")


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (["N", "M"], "a length that is not known"),
        (["N", 0], "a length that is not known"),
        (["N", 1 << 40], "or too large"),
        ([16, 4], "no batch as its first axis"),
        ([], "no batch as its first axis"),
    ],
)
def test_input_shapes(shape, text):
    refused(model([node("Relu", "x", "y")], {"x": shape}), UnsupportedError, text, "layer 'x'")


def test_integer_input():
    proto = model([node("Relu", "x", "y")], {"x": (2,)})
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8
    refused(proto, UnsupportedError, "no tensor of floats", "INT8")


BATCH = {
    "reshape": single("Reshape", [2, 4], {"s": np.asarray([-1, 4])}),
    "reshape to rank 1": single("Reshape", [4], {"s": np.asarray([-1])}),
    "reshape to one": single("Reshape", [4], {"s": np.asarray([1, 4])}),
    "flatten": single("Flatten", [2, 4], axis=2),
    "flatten all": single("Flatten", [4], axis=0),
    "transpose": single("Transpose", [4], perm=[1, 0]),
    "squeeze": single("Squeeze", [1, 4]),
    "unsqueeze": single("Unsqueeze", [4], {"a": np.asarray([0])}),
    "concat": model([node("Concat", "x x", "y", axis=0)], {"x": (4,)}),
    "slice": single(
        "Slice", [4], {"s": np.asarray([1]), "e": np.asarray([2]), "a": np.asarray([0])}
    ),
    "softmax": single("Softmax", [4], axis=0),
    "constant": single("Add", [4], {"c": np.ones((3, 4), F)}),
    "ranks": model([node("Add", "a b", "y")], {"a": (3, 4), "b": (4,)}),
}


@pytest.mark.parametrize("case", BATCH)
def test_the_batch_is_left_alone(case):
    with pytest.raises(UnsupportedError, match=r"batch|meet|samples"):
        read_onnx(BATCH[case])


ONES = {name: np.ones(4, F) for name in "gbmv"}
THREE = {name: np.ones(3, F) for name in "gbmv"}
TALL = np.ones((4, 2), F)

OTHER = {
    "two activations": (
        model([node("MatMul", "x x", "y")], {"x": (4,)}),
        "joins the batch with another axis",
    ),
    "cast": (single("Cast", [4], to=TensorProto.INT8), "a Cast changes numbers"),
    "half": (single("Cast", [4], to=TensorProto.FLOAT16), "a Cast changes numbers"),
    "division by zero": (single("Div", [4], {"c": np.zeros(4, F)}), "division by zero"),
    "clip": (single("Clip", [4], {"lo": F(2), "hi": F(1)}), "wrong order"),
    "softmax": (single("Softmax", [3, 4, 2], opset=11, axis=2), "joins axes with the batch"),
    "matrix": (single("MatMul", [4], {"w": np.ones((3, 2), F)}), "does not fit its input"),
    "bias": (single("Gemm", [4], {"w": TALL, "b": np.ones(3, F)}), "does not fit its matrix"),
    "normalisation": (single("BatchNormalization", [4], THREE), "do not fit its input"),
    "training": (single("BatchNormalization", [4], ONES, training_mode=1), "training"),
    "computed shape": (model([node("Reshape", "x x", "y")], {"x": (4,)}), "a computed input 1"),
    "constants": (
        model(
            [node("Sqrt", "c", "r"), node("Add", "x r", "y")], {"x": (1,)}, constants={"c": F(-1)}
        ),
        "NaN or infinite",
    ),
    "mask": (
        model([node("Dropout", "x", "a m"), node("Add", "a m", "y")], {"x": (4,)}),
        "second result is used",
    ),
}


@pytest.mark.parametrize("case", OTHER)
def test_unsupported(case):
    proto, text = OTHER[case]
    refused(proto, UnsupportedError, text, "_")


def test_hostile_names():
    nodes = [helper.make_node("Relu", ["x"], ["y\nz"], name="module; endmodule\n// $finish")]
    graph = read_onnx(model(nodes, {"x": (2,)}, outputs=("y\nz",)))
    assert all(part.isidentifier() for part in (graph.nodes[0].name, graph.outputs[0].name))
    assert graph.nodes[0].layer == "module; endmodule\n// $finish"
    nodes[0].op_type = "Bad\nOp"
    with pytest.raises(UnsupportedError) as caught:
        read_onnx(model(nodes, {"x": (2,)}, outputs=("y\nz",)))
    assert len(str(caught.value).splitlines()) == 5
