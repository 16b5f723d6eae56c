"""A sweep on disk, finished or not, as its users see it: lazy arrays, results, labelled data."""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastlyap import labels
from fastlyap.errors import InputError
from fastlyap.result import SystemInfo
from fastlyap.sweeps import places
from fastlyap.sweeps import store as stores
from fastlyap.sweeps.description import describe
from fastlyap.sweeps.job import put_together
from fastlyap.sweeps.store import Store


class Sweep:
    """What `fl.sweep` returns and `fl.open_sweep` opens; arrays are read when they are asked for.

    Attributes
    ----------
    status : (...) int8
        Codes of `Status`; PENDING where nothing has been computed.
    done, failed, size : int
        Points computed, failed ones among them, and all points.
    exponents, stderr, ... : zarr arrays
        The fields of the verb's result, lazily: index them to read, `np.asarray` for everything.
    dims, shape, parameters, x0, system, settings
        As in a result.
    """

    def __init__(self, store: Store, target: Any, path: Path | None) -> None:
        self._store, self._target, self.path = store, target, path
        self.dims = tuple(store.manifest["dims"])
        self.shape = store.tiles.shape
        info = dict(store.manifest["system"])
        self.system = SystemInfo(**{**info, "state_names": tuple(info["state_names"])})

    @property
    def manifest(self) -> dict[str, Any]:
        """What decides the numbers: verb, settings, hashes, versions."""
        return self._store.manifest

    @property
    def settings(self) -> dict[str, Any]:
        """The plain values the results were made with."""
        return dict(self.manifest.get("result_settings", self.manifest["settings"]))

    @property
    def status(self) -> np.ndarray:
        """(...) int8 codes of `Status`."""
        return self._store.statuses()

    @property
    def size(self) -> int:
        """How many points there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def done(self) -> int:
        """How many points have been computed."""
        return self._store.failures()[0]

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self._store.failures()[1]

    @functools.cached_property
    def parameters(self) -> dict[str, np.ndarray]:
        """As in a result: batch axes, of length 1 where a parameter does not vary, in front of its own shape."""
        inputs = self._store.group["inputs"]
        if "parameters" not in inputs:
            return {}
        return {name: np.asarray(inputs["parameters"][name][...]) for name in sorted(inputs["parameters"].array_keys())}

    @functools.cached_property
    def x0(self) -> np.ndarray:
        """(..., n) the starts."""
        x = np.asarray(self._store.group["inputs/x0"][...])
        return np.broadcast_to(x, (*self.shape, x.shape[-1]))

    def __getattr__(self, name: str) -> Any:
        names = [] if name.startswith("_") else self._store.names
        if name in names:
            return self._store.array(name)
        below = [path for path in names if path.startswith(f"{name}/")]
        if below:
            return {path.partition("/")[2]: self._store.array(path) for path in below}
        raise AttributeError(f"this sweep has no `{name}`" + ("" if name.startswith("_") else " (yet)"))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *{path.partition("/")[0] for path in self._store.names}]

    def result(self, index: Any = ...) -> Any:
        """Some members as an ordinary result.

        Parameters
        ----------
        index : int, slice, or a tuple of them, one per batch axis
            Everything by default.

        Returns
        -------
        Spectrum, Vectors, ... whatever the verb returns; members not computed are PENDING.
        """
        where = self._index(index)
        if not self._store.ready:
            raise InputError("`index` names members of a sweep whose first chunk is not finished; resume it first.")
        arrays = {path: np.asarray(self._store.array(path)[where]) for path in [*self._store.names, stores.STATUS]}
        return self._made(arrays, where)

    def chunks(self) -> Iterator[tuple[tuple[slice, ...], Any]]:
        """The sweep chunk by chunk, for work on stores larger than memory: where each lies, and its result."""
        for number in range(len(self._store.tiles)):
            where = self._store.tiles.slices(number)
            try:
                arrays = self._store.read(number)
            except (ValueError, RuntimeError) as problem:
                raise OSError(f"chunk {number} of {self._store.place} is damaged ({problem}); resume it") from problem
            extent = self._store.tiles.extent(number)
            yield where, self._made({n: v.reshape(extent + v.shape[1:]) for n, v in arrays.items()}, where)

    def coarse(self, values_of: Callable[[Any], np.ndarray], most: int) -> tuple[np.ndarray, np.ndarray, list]:
        """Means over blocks of members, at most `most` blocks along each axis, without reading all at once.

        Parameters
        ----------
        values_of : maps a result to values (..., or ..., k)

        Returns
        -------
        means (blocks, ...) over finite values, worst statuses (blocks), and for each axis the first member of every
        block
        """
        steps = [max(1, -(-m // most)) for m in self.shape]
        shape = tuple(-(-m // s) for m, s in zip(self.shape, steps, strict=True))
        total = count = None
        worst = np.zeros(shape, np.int8)
        for where, part in self.chunks():
            values = np.asarray(values_of(part), dtype=np.float64)
            own = values.shape[len(shape) :]
            if total is None or count is None:
                total, count = np.zeros(shape + own), np.zeros(shape + own)
            places = np.ix_(*(np.arange(w.start, w.stop) // s for w, s in zip(where, steps, strict=True)))
            sound = np.isfinite(values)
            np.add.at(total, places, np.where(sound, values, 0.0))
            np.add.at(count, places, sound)
            np.maximum.at(worst, places, part.status)
        if total is None or count is None:
            raise InputError("`result` has no points to draw.")
        with np.errstate(invalid="ignore"):
            means = total / np.where(count > 0, count, np.nan)
        return means, worst, [np.arange(0, m, s) for m, s in zip(self.shape, steps, strict=True)]

    def to_xarray(self) -> Any:
        """The store as an `xarray.Dataset`, lazily where Dask is there; also `xr.open_zarr(path)`."""
        xarray = labels.import_extra("xarray", "sweep")
        return xarray.open_zarr(self._target, consolidated=False, zarr_format=3)

    def to_netcdf(self, path: str | os.PathLike) -> None:
        """Write the data set to a NetCDF file; the manifest becomes an attribute of text."""
        data = self.to_xarray()
        data.attrs[stores.MANIFEST] = json.dumps(data.attrs[stores.MANIFEST])
        data.to_netcdf(path)

    def message(self, index: Any = ()) -> str:
        """One sentence on how the member at `index` ended, with advice."""
        return self.result(index).message()

    def __repr__(self) -> str:
        return describe(self._store, self._target, self.path)

    def _index(self, index: Any) -> tuple[int | slice, ...]:
        """One whole number or slice per batch axis."""
        given = index if isinstance(index, tuple) else (index,)
        given = tuple(slice(None) for _ in self.shape) if given == (...,) else given
        given = given + (slice(None),) * (len(self.shape) - len(given))
        if len(given) != len(self.shape):
            raise InputError(f"`index` must have at most {len(self.shape)} entries, got {index!r}.")
        found: list[int | slice] = []
        for i, m in zip(given, self.shape, strict=True):
            if isinstance(i, slice):
                found.append(slice(*i.indices(m)))
            elif isinstance(i, (int, np.integer)) and -m <= i < m:
                found.append(int(i) % m)
            else:
                raise InputError(f"`index` must hold whole numbers and slices within {self.shape}, got {index!r}.")
        return tuple(found)

    def _made(self, arrays: dict[str, np.ndarray], where: tuple[int | slice, ...]) -> Any:
        name = self.manifest["class"]
        cls = getattr(importlib.import_module("fastlyap"), name)
        kept = [isinstance(i, slice) for i in where]

        def cut(values: np.ndarray) -> np.ndarray:
            if values.ndim < len(where):
                return values
            alone = [m == 1 for m in values.shape[: len(where)]]
            same = [slice(None) if k else 0 for k in kept]
            return values[tuple(s if a else i for i, a, s in zip(where, alone, same, strict=True))]

        return put_together(cls, arrays, self.manifest, {
            "parameters": {name: cut(v) for name, v in self.parameters.items()}, "x0": self.x0[where],
            "dims": tuple(d for d, k in zip(self.dims, kept, strict=True) if k), "system": self.system,
        })  # fmt: skip


def open_sweep(store: Any) -> Sweep:
    """Open a sweep on disk, finished or not, to read.

    Parameters
    ----------
    store : str, path or zarr store

    Returns
    -------
    Sweep

    Raises
    ------
    FileNotFoundError
        Where there is nothing.
    InputError
        For what is not a sweep, or one of a format that this code does not know.
    """
    target, place, path = places.located(store)
    if path is not None and not path.exists():
        raise FileNotFoundError(f"there is no sweep at {place}")
    return Sweep(places.open_store(target, place), target, path)
