"""Tensors of an ONNX file as arrays, with every claim of the file checked before it is believed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

from gatewright.base import ModelError, Place, UnsupportedError
from gatewright.frontends.onnx.operand import Array

MAX_TENSOR_BYTES = 1 << 30
"""Largest tensor that is read; a real model of this tool's kind holds a few megabytes."""

FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
}
INTEGERS: dict[int, tuple[int, int]] = {
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT4: (0, 15),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT16: (-(1 << 15), (1 << 15) - 1),
    TensorProto.UINT16: (0, (1 << 16) - 1),
    TensorProto.INT32: (-(1 << 31), (1 << 31) - 1),
    TensorProto.UINT32: (0, (1 << 32) - 1),
    TensorProto.INT64: (-(1 << 63), (1 << 63) - 1),
}
"""Integer types with their limits."""

BITS: dict[int, int] = {
    TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.INT8: 8, TensorProto.UINT8: 8,
    TensorProto.FLOAT16: 16, TensorProto.BFLOAT16: 16, TensorProto.INT16: 16,
    TensorProto.UINT16: 16, TensorProto.FLOAT: 32, TensorProto.INT32: 32, TensorProto.UINT32: 32,
    TensorProto.DOUBLE: 64, TensorProto.INT64: 64, TensorProto.BOOL: 8,
}  # fmt: skip


def type_name(code: int) -> str:
    """Return ONNX's name of a tensor type."""
    try:
        return str(TensorProto.DataType.Name(code))
    except ValueError:
        return f"type {code}"


def read_tensor(tensor: TensorProto, folder: Path | None, place: Place) -> Array:
    """Return a tensor: floats in their own precision (16-bit ones as float32), integers as int64.

    Args:
        tensor: as it stands in the file.
        folder: where the model lies, for data kept in files beside it; None for a model in memory.
        place: for messages.

    Raises:
        ModelError: sizes contradict each other, NaN or infinity, or data outside the folder.
        UnsupportedError: a type that is no plain number.
    """
    if tensor.data_type not in BITS:
        raise UnsupportedError(
            "a tensor has a type that is not read",
            place=place,
            found=type_name(tensor.data_type),
            supported=", ".join(type_name(code) for code in sorted(BITS)),
        )
    shape = tuple(tensor.dims)
    elements = math.prod(shape)
    size = -(-elements * BITS[tensor.data_type] // 8)
    if any(n < 0 for n in shape) or size > MAX_TENSOR_BYTES:
        raise ModelError(
            "a tensor claims an impossible size",
            place=place,
            found=f"shape {shape}, {size} bytes",
            supported=f"up to {MAX_TENSOR_BYTES} bytes",
        )
    if tensor.HasField("segment"):
        raise UnsupportedError(
            "a tensor is stored in segments", place=place, supported="whole tensors"
        )
    if tensor.data_location == TensorProto.EXTERNAL:
        tensor = _with_external_data(tensor, folder, size, place)
    elif not _filled(tensor, elements, size):
        raise ModelError(
            "a tensor's data do not fill its shape",
            place=place,
            found=f"{shape} of {type_name(tensor.data_type)}, {len(tensor.raw_data)} raw bytes",
            supported=f"{size} bytes",
        )
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError) as error:
        raise ModelError("a tensor cannot be read", place=place, found=error) from None
    return _plain(array, tensor.data_type, place)


def _filled(tensor: TensorProto, elements: int, size: int) -> bool:
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) == size
    fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
    held = sum(len(getattr(tensor, name)) for name in fields)
    # Four-bit integers come two to an int32 entry.
    return bool(held == (size if BITS[tensor.data_type] == 4 else elements))


def _plain(array: np.ndarray, data_type: int, place: Place) -> Array:
    if data_type in FLOATS:
        array = array.astype(np.float64 if data_type == TensorProto.DOUBLE else np.float32)
        if not np.isfinite(array).all():
            raise ModelError(
                "a tensor holds NaN or infinity",
                place=place,
                found=f"{int((~np.isfinite(array)).sum())} of {array.size} numbers",
                supported="finite numbers",
                remedy="check the training run that wrote this file",
            )
        return array
    return array.astype(np.int64)


def _with_external_data(
    tensor: TensorProto, folder: Path | None, size: int, place: Place
) -> TensorProto:
    """Return the tensor with the bytes of a file that lies in the model's own folder."""
    keys = {entry.key: entry.value for entry in tensor.external_data}
    location = keys.get("location", "")
    if folder is None:
        raise ModelError(
            "a model in memory keeps its weights in a file, whose folder is not known",
            place=place,
            found=location,
            remedy="load the model with its external data first",
        )
    path = _contained(folder, location, place)
    try:
        offset, length = int(keys.get("offset", 0)), int(keys.get("length", size))
    except ValueError:
        raise ModelError(
            "external data have no plain offset and length", place=place, found=keys
        ) from None
    data = b""
    if offset >= 0 and length == size:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise ModelError("external data cannot be read", place=place, found=error) from None
    if len(data) != size:
        raise ModelError(
            "external data do not fill the tensor's shape",
            place=place,
            found=f"{length} bytes from {offset} of {location}, {len(data)} of them there",
            supported=f"{size} bytes",
        )
    filled = TensorProto(data_type=tensor.data_type, dims=tensor.dims, name=tensor.name)
    filled.raw_data = data
    return filled


def _contained(folder: Path, location: str, place: Place) -> Path:
    """Return the file, which must be a plain one in the folder, reached without a link."""
    refused = ModelError(
        "external data lie outside the model's folder",
        place=place,
        found=location,
        supported="a plain file beside the model, no absolute path, no '..', no link",
        remedy="put the weights into the model file, or copy the data file beside it",
    )
    parts = Path(location).parts
    if (
        not location
        or "\\" in location
        or "\0" in location
        or Path(location).is_absolute()
        or ".." in parts
    ):
        raise refused
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise refused
    if not path.is_file():
        raise ModelError("external data are missing", place=place, found=location)
    return path
