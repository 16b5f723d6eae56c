"""The file format: every type is decoded exactly, and no damaged file gets through or raises anything else."""

import json
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlyap as fl
from fastlyap.networks.safetensors_file import TensorFile

CODES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}


def packed(header, data=b"", pad=0):
    """The bytes of a file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * pad
    return struct.pack("<Q", len(text)) + text + data


def written(path, tensors, **more):
    """A file of (dtype, array) by name, one behind the other."""
    header, data = dict(more), b""
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array, dtype=CODES.get(dtype, array.dtype)).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    path.write_bytes(packed(header, data))
    return path


def refusal(path, text):
    """The message of the error that this content gives."""
    path.write_bytes(text)
    with pytest.raises(fl.InputError, match="^`path`") as caught:
        TensorFile(path)
    return str(caught.value)


@pytest.mark.parametrize("dtype", CODES)
def test_types(tmp_path, dtype):
    rng = np.random.default_rng(0)
    tensors = {name: (dtype, (9 * rng.random(shape)).astype(CODES[dtype])) for name, shape in
               {"a": (3, 2), "scalar": (), "none": (0, 4), "odd": (5,)}.items()}  # fmt: skip
    found = TensorFile(written(tmp_path / "x.safetensors", tensors, __metadata__={"format": "pt"}))
    assert list(found) == list(tensors) and len(found) == 4
    for name, (_, array) in tensors.items():
        assert found[name].dtype == np.dtype(CODES[dtype]) and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    bits = np.arange(0, 2**16, 7, dtype="<u2")
    found = TensorFile(written(tmp_path / "x.safetensors", {"w": ("BF16", bits)}))["w"]
    np.testing.assert_array_equal(found.view("<u4"), bits.astype("<u4") << 16)
    assert TensorFile(written(tmp_path / "y.safetensors", {"w": ("BF16", np.array([0x3FC0, 0xC000], "<u2"))}))[
        "w"
    ].tolist() == [1.5, -2.0]


def test_headers_of_any_length(tmp_path):
    """Numbers need not begin at a multiple of their size."""
    for pad in range(9):
        text = packed({"w": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}, struct.pack("<2d", 1, 2), pad)
        (tmp_path / "x").write_bytes(text)
        assert TensorFile(tmp_path / "x")["w"].tolist() == [1.0, 2.0]


def test_other_types_are_refused_when_they_are_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(packed({"w": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [0, 3]}}, b"abc"))
    file = TensorFile(path)
    assert "w" in file
    with pytest.raises(fl.InputError, match="'w' holds F8_E4M3.*convert"):
        file["w"]
    assert "'w' has the unknown dtype 'F128'" in refusal(
        path, packed({"w": {"dtype": "F128", "shape": [1], "data_offsets": [0, 16]}}, bytes(16))
    )


WELL = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    "header,size,told",
    [
        ({"a": {**WELL["a"], "data_offsets": [0, 4]}}, 8, "'a' of shape .2,. and F32 does not fill"),
        ({"a": {**WELL["a"], "data_offsets": [8, 0]}}, 8, "'a' of shape .2,. and F32 does not fill"),
        ({"a": {**WELL["a"], "data_offsets": [4, 12]}}, 12, "'a' begins at byte 4, where 0 was expected"),
        ({**WELL, "b": WELL["a"]}, 8, "'b' begins at byte 0, where 8 was expected"),
        ({**WELL, "b": {**WELL["a"], "data_offsets": [9, 17]}}, 17, "'b' begins at byte 9, where 8"),
        (WELL, 7, "cut short: 'a' ends at byte 8 of 7"),
        (WELL, 9, "1 bytes behind the last tensor belong to none"),
        ({"a": 3}, 8, "'a' needs a shape and two data_offsets"),
        ({"a": {**WELL["a"], "shape": [2.0]}}, 8, "'a' needs a shape"),
        ({"a": {**WELL["a"], "shape": [-2]}}, 8, "'a' needs a shape"),
        ({"a": {**WELL["a"], "shape": [True, 2]}}, 8, "'a' needs a shape"),
        ({"a": {**WELL["a"], "data_offsets": [0]}}, 8, "'a' needs a shape"),
        ({"a": {"shape": [2], "data_offsets": [0, 8]}}, 8, "'a' has the unknown dtype None"),
        (b"[1]", 0, "does not begin with a brace"),
        (b'{"a": 1,}', 0, "header is damaged"),
        (b'{"a": 1, "a": 2}', 0, "'a' occurs twice"),
        (b'{"\xff": 1}', 0, "header is damaged"),
        (b'{"a":' * 20_000, 0, "header is damaged"),
        (b'{"a": 1' + b"0" * 5000 + b"}", 0, "header is damaged"),
        (b"", 0, "header is damaged"),
    ],
)
def test_inconsistent_headers(tmp_path, header, size, told):
    assert re.search(told, refusal(tmp_path / "x", packed(header, bytes(size))))


def test_shapes_that_no_array_has(tmp_path):
    for shape in ([0] * 70, [0, 2**62, 2**62]):
        path = tmp_path / "x"
        path.write_bytes(packed({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}))
        with pytest.raises(fl.InputError, match="'a' cannot have the shape"):
            TensorFile(path)["a"]


def test_files_that_are_none(tmp_path):
    assert "cannot be opened" in str(pytest.raises(fl.InputError, TensorFile, tmp_path / "missing").value)
    assert "cannot be opened" in str(pytest.raises(fl.InputError, TensorFile, tmp_path).value)
    assert "it has 0 bytes" in refusal(tmp_path / "x", b"")
    assert "it has 7 bytes" in refusal(tmp_path / "x", bytes(7))
    assert "should have" in refusal(tmp_path / "x", struct.pack("<Q", 2**63) + b"{}")
    assert "should have" in refusal(tmp_path / "x", struct.pack("<Q", 3) + b"{}")


def test_cut_anywhere(tmp_path):
    """A file cut short after any byte is refused when it is opened."""
    path = written(tmp_path / "x", {"w": ("F32", np.ones((2, 3))), "b": ("F16", np.ones(3))})
    whole = path.read_bytes()
    TensorFile(path)
    for length in range(len(whole)):
        refusal(tmp_path / "y", whole[:length])


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_any_other_byte(tmp_path_factory, place, value):
    """A damaged byte gives the same names and shapes with other numbers, or an `InputError`; never anything else."""
    path = written(tmp_path_factory.mktemp("d") / "x", {"w": ("F32", np.ones((2, 3))), "b": ("F16", np.ones(3))})
    text = bytearray(path.read_bytes())
    text[place % len(text)] = value
    path.write_bytes(text)
    try:
        for name in (file := TensorFile(path)):
            assert file[name].shape is not None
    except fl.InputError:
        pass
