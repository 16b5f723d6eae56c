"""Results on disk: one `.npz` of plain arrays and a JSON header, written whole or not at all, without pickle.

The array `header.json` holds UTF-8 JSON: the format's name and version, and the result as a tree whose leaves
are numbers, strings or references to the other arrays, which are named by their path in the tree.
"""

import dataclasses
import importlib
import json
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from fastlyap.errors import InputError

FORMAT = "fastlyap result"
VERSION = 1
HEADER = "header.json"

_classes: dict[str, type] = {}
C = TypeVar("C", bound=type)


def storable(cls: C) -> C:
    """Let `save` and `load` handle this dataclass, by its name."""
    _classes[cls.__name__] = cls
    return cls


def save(result: Any, path: str | os.PathLike) -> None:
    """Write a result to a `.npz` file; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    result : Spectrum, Trajectory or another result
    path : str or path
        Where; the name must end in `.npz`.
    """
    target = Path(path)
    if target.suffix != ".npz":
        raise InputError(f"`path` must end in .npz, got {str(path)!r}; save under {target.stem + '.npz'!r}.")
    arrays: dict[str, np.ndarray] = {}
    header = {"format": FORMAT, "version": VERSION, "result": _encode(result, "", arrays)}
    if not isinstance(header["result"], dict) or "class" not in header["result"]:
        raise InputError(f"`result` must be a result of fastlyap, got {type(result).__name__}.")
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(unfinished, "xb") as file:
            np.savez(file, **cast(Any, {HEADER: text, **arrays}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike) -> Any:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Spectrum, Trajectory or another result
        With the same arrays, bit for bit.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop(HEADER).tobytes())
    except (ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"`path` must be a complete file written by fl.save, got {str(path)!r}; "
            f"it is truncated, damaged or foreign ({problem})."
        ) from None
    _check(header, path)
    try:
        return _decode(header["result"], arrays)
    except (KeyError, TypeError, AttributeError) as problem:
        raise InputError(f"`path` {str(path)!r} lacks a part of its result ({problem}); write it again.") from None


def _check(header: Any, path: str | os.PathLike) -> None:
    """Refuse foreign headers and versions that this code does not know."""
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"`path` must be a file written by fl.save, {str(path)!r} is of another kind.")
    if header.get("version") != VERSION:
        raise InputError(
            f"`path` {str(path)!r} has format version {header.get('version')}, this one reads {VERSION}; "
            "read it with the fastlyap that wrote it, or a newer one."
        )
    name = header.get("result", {}).get("class")
    if name not in _classes:
        getattr(importlib.import_module("fastlyap"), str(name), None)  # the door knows its room
    if name not in _classes:
        raise InputError(f"`path` {str(path)!r} holds a {name}, which this fastlyap does not know; upgrade it.")


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """The JSON node of a value; arrays are put aside under their path."""
    below = f"{path}/" if path else ""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        arrays[path] = value
        return {"array": path}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {"map": {str(key): _encode(v, f"{below}{key}", arrays) for key, v in value.items()}}
    if isinstance(value, (tuple, list)):
        return {"list": [_encode(v, f"{below}{i}", arrays) for i, v in enumerate(value)]}
    if type(value).__name__ in _classes:
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, "fields": _encode(fields, path, arrays)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    name = path or "result"
    raise InputError(f"`{name}` cannot be saved: {type(value).__name__} is neither an array nor a plain value.")


def _decode(node: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The value of a JSON node."""
    if not isinstance(node, dict):
        return node
    if "array" in node:
        return arrays[node["array"]]
    if "map" in node:
        return {key: _decode(v, arrays) for key, v in node["map"].items()}
    if "list" in node:
        return tuple(_decode(v, arrays) for v in node["list"])
    return _classes[node["class"]](**_decode(node["fields"], arrays))
