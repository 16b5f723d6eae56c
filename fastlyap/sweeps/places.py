"""Where a sweep is kept: a folder, an address, or any Zarr store that can be written more than once."""

from __future__ import annotations

import os
import shlex
import warnings
from pathlib import Path
from typing import Any

from fastlyap import labels
from fastlyap.errors import InputError
from fastlyap.sweeps import manifest as manifests
from fastlyap.sweeps.store import MANIFEST, Store

OWN_PROCESS = ("MemoryStore", "GpuMemoryStore")  # stores that no other process can see


def open_store(target: Any, place: str, mode: str = "r") -> Store:
    """Open an existing store; mode "r" to read, "r+" to go on."""
    zarr = labels.import_extra("zarr", "sweep")
    try:
        group = zarr.open_group(target, mode=mode, zarr_format=3)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no sweep at {place}") from None
    return Store(group, place)


def exists(target: Any) -> bool | None:
    """Whether a sweep is there: None for nothing, False for one whose making was cut off; the foreign is refused."""
    zarr = labels.import_extra("zarr", "sweep")
    try:
        group = zarr.open_group(target, mode="r", zarr_format=3)
    except FileNotFoundError:
        if isinstance(target, Path) and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"`store` {target} is there and is not a sweep; choose another path.") from None
        return None
    manifest = manifests.check(dict(group.attrs).get(MANIFEST), str(target))
    return bool(manifest.get("made"))


def located(store: Any) -> tuple[Any, str, Path | None]:
    """What zarr opens, a name for people, and the folder of a store on this file system."""
    if isinstance(store, (str, os.PathLike)) and "://" not in str(store):
        path = Path(store).expanduser().absolute()
        return path, str(store), path
    if isinstance(store, str):
        return store, store, None
    root = getattr(store, "root", None)
    return store, str(store), root if isinstance(root, Path) else None


def check_writable(target: Any, path: Path | None) -> None:
    """Refuse what a sweep cannot be kept in."""
    if path is not None and not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    if isinstance(target, (str, Path)):
        return
    kind = type(target).__name__
    if not hasattr(target, "supports_deletes"):
        raise InputError(f"`store` must be a path, an address or a Zarr store, got {kind}.")
    if getattr(target, "read_only", False):
        raise InputError(f"`store` {target} is open for reading only; open it with read_only=False.")
    if not target.supports_deletes:
        raise InputError(f"`store` is a {kind}, in which nothing can be replaced, so that no sweep could go on in it; "
                         "sweep into a folder, and pack that afterwards.")  # fmt: skip


def command(target: Any, place: str) -> str:
    """How to go on from a command line, where that can name the place."""
    return f", or: fastlyap resume {shlex.quote(place)}" if isinstance(target, (str, Path)) else ""


def shared(target: Any) -> bool:
    """Whether other processes may be able to write to this store by themselves."""
    return type(target).__name__ not in OWN_PROCESS


def sweep_up(path: Path) -> None:
    """Remove what an interrupted write left behind."""
    for name in path.rglob("*.partial"):
        try:
            name.unlink()
        except OSError as problem:
            warnings.warn(f"cannot remove {name}: {problem}", stacklevel=2)
