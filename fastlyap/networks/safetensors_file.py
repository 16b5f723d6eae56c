"""The safetensors file format: a little-endian 64-bit length, a JSON header of so many bytes, the numbers.

Source: the format section of the README of huggingface/safetensors. The file is mapped into memory, a tensor is decoded
when it is asked for, and nothing in the file is ever executed. Numbers must fill the rest of the file without gaps, so
a file that was cut short, or whose header lies about sizes, is refused when it is opened.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastlyap.errors import InputError

LONGEST_HEADER = 100_000_000  # bytes, as in the reference implementation
DECODED = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
SIZED = {"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6,
         "F4": 4, "C64": 64}  # fmt: skip
BITS = {name: 8 * np.dtype(code).itemsize for name, code in DECODED.items()} | SIZED


class Entry(NamedTuple):
    """What the header says of one tensor; `begin` and `end` count bytes behind the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFile(Mapping[str, np.ndarray]):
    """The tensors of a safetensors file by name, in the file's order; bfloat16 comes as float32.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InputError
        For a file that is missing, cut short, or whose header is damaged or inconsistent; on reading a tensor whose
        numbers NumPy does not know. The message names the tensor.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = os.fspath(path)
        buffer = _mapped(self.path)
        length = int.from_bytes(buffer[:8].tobytes(), "little")
        if length > min(len(buffer) - 8, LONGEST_HEADER):
            raise self._refused(f"its header should have {length} bytes, and the file has {len(buffer)}")
        self._bytes = buffer[8 + length :]
        self._entries = self._header(buffer[8 : 8 + length].tobytes())
        self._check_extent()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> np.ndarray:
        dtype, shape, begin, end = self._entries[name]
        if dtype not in DECODED:
            raise self._refused(f"{name!r} holds {dtype}, which cannot be read; convert it to BF16, F16, F32 or F64")
        values = self._bytes[begin:end].view(DECODED[dtype])
        if dtype == "BF16":  # the upper half of a float32
            values = (values.astype("<u4") << 16).view("<f4")
        try:
            return np.asarray(values).reshape(shape)
        except ValueError:  # more axes, or longer ones, than NumPy has
            raise self._refused(f"{name!r} cannot have the shape {shape}") from None

    def _refused(self, why: str) -> InputError:
        return InputError(f"`path`: {self.path!r} is not a safetensors file that can be read: {why}.")

    def _header(self, text: bytes) -> dict[str, Entry]:
        try:
            if not text.startswith(b"{"):
                raise ValueError("it does not begin with a brace")
            found = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as problem:
            raise self._refused(f"its header is damaged ({problem}); write or download it again") from None
        found.pop("__metadata__", None)
        return {name: self._entry(name, value) for name, value in found.items()}

    def _entry(self, name: str, value: Any) -> Entry:
        value = value if isinstance(value, dict) else {}
        dtype, shape, offsets = (value.get(key) for key in ("dtype", "shape", "data_offsets"))
        if not _whole_numbers(shape) or not _whole_numbers(offsets) or len(offsets) != 2:
            raise self._refused(f"{name!r} needs a shape and two data_offsets of whole numbers, got {value!r:.80}")
        if not isinstance(dtype, str) or dtype not in BITS:
            raise self._refused(f"{name!r} has the unknown dtype {dtype!r:.40}")
        if 8 * (offsets[1] - offsets[0]) != math.prod(shape) * BITS[dtype]:
            raise self._refused(f"{name!r} of shape {tuple(shape)} and {dtype} does not fill its {offsets}")
        return Entry(dtype, tuple(shape), *offsets)

    def _check_extent(self) -> None:
        """Tensors must lie one behind the other and end where the file ends."""
        reached = 0
        for name, entry in sorted(self._entries.items(), key=lambda item: item[1][2:]):
            if entry.begin != reached:
                raise self._refused(f"{name!r} begins at byte {entry.begin}, where {reached} was expected")
            if entry.end > len(self._bytes):
                raise self._refused(f"it was cut short: {name!r} ends at byte {entry.end} of {len(self._bytes)}")
            reached = entry.end
        if reached != len(self._bytes):
            raise self._refused(f"{len(self._bytes) - reached} bytes behind the last tensor belong to none")


def _mapped(path: str) -> np.ndarray:
    """The bytes of a file, read from disk when they are used."""
    try:
        size = os.stat(path).st_size
        if size < 8:
            raise InputError(f"`path`: {path!r} is not a safetensors file that can be read: it has {size} bytes.")
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as problem:
        raise InputError(f"`path`: {path!r} cannot be opened: {problem.strerror or problem}.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} occurs twice")
        found[name] = value
    return found


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
