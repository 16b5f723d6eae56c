"""A sweep on disk: a plain Zarr v3 group that xarray opens, one chunk of every array per chunk of the work.

A chunk is written data first, then its digest and numbers in the ledger, and last its `status`, whose fill value is
PENDING: a chunk whose status is there and whose digest agrees is whole, whatever happened in between.
"""

from __future__ import annotations

import time
import warnings
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from fastlyap.labels import plain_attributes
from fastlyap.machines.gradient_reasons import REASONS, told_reasons
from fastlyap.status import PENDING, Status
from fastlyap.sweeps import manifest as manifests
from fastlyap.sweeps.tiles import Tiles

DIGEST, STEPS, MICROSECONDS, MOMENT = range(4)  # columns of the ledger
MANIFEST = "fastlyap"
STATUS = "status"
PIECE = 65_536  # entries of a chunk of an input
LEVEL = 1  # of compression; more takes longer and saves little on noise


class Damage(NamedTuple):
    """A chunk that was written and cannot be trusted: its number, and why in words."""

    chunk: int
    reason: str


class Store:
    """An open group, its manifest and its chunks."""

    def __init__(self, group: Any, place: str) -> None:
        self.group = group
        self.place = place
        self.manifest = manifests.check(dict(group.attrs).get(MANIFEST), place)
        self.tiles = Tiles(tuple(self.manifest["shape"]), tuple(self.manifest["box"]))

    def update(self, **changes: Any) -> None:
        """Write a change of the manifest."""
        self.manifest = {**self.manifest, **changes}
        self.group.attrs[MANIFEST] = self.manifest

    @property
    def names(self) -> list[str]:
        """Paths of the arrays of results, without `status`."""
        return [*self.manifest.get("arrays", {})]

    @property
    def ready(self) -> bool:
        """Whether the arrays have been made; the first chunk tells their shapes."""
        return "arrays" in self.manifest

    def consolidate(self) -> None:
        """Put the description of all arrays into one file, as readers of data sets expect it."""
        import zarr

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that not every reader of version 3 knows such a file yet
            zarr.consolidate_metadata(self.group.store, path=self.group.path, zarr_format=3)
        self.group = zarr.open_group(self.group.store, path=self.group.path, mode="r+", zarr_format=3)

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], np.dtype]] | None:
        """Axes behind the batch's and type of every array; None before the first chunk."""
        if not self.ready:
            return None
        kinds = {path: (tuple(own), np.dtype(kind)) for path, (own, kind) in self.manifest["arrays"].items()}
        return {**kinds, STATUS: ((), np.dtype(np.int8))}

    def make_arrays(self, arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        """Make the arrays for results like these of some points (m, ...)."""
        import zarr

        # what is new is not among the descriptions put into one file before
        self.group = zarr.open_group(
            self.group.store, path=self.group.path, mode="r+", zarr_format=3, use_consolidated=False
        )
        kinds, axes = {}, told.pop("axes")
        for path, values in arrays.items():
            if path == STATUS or values.dtype.kind not in "fiub":
                continue
            own, known = values.shape[1:], axes.get(path, [])
            extra = known if len(known) >= len(own) else [f"{place(path)}_{i}" for i in range(len(own))]
            add_array(self, path, values.dtype, _fill(path, values.dtype), own, extra[: len(own)])
            kinds[path] = [list(own), values.dtype.str]
            if path == REASONS:
                self.array(path).attrs.update(told_reasons())
        self.group.attrs.update(_attributes(self.manifest, told))
        for name, values in told.pop("along").items():
            if not isinstance(values[0], str):  # texts have no settled form in version 3
                put(self.group, name, values, [name])
        self.consolidate()
        self.update(arrays=kinds, **told)

    def write(self, number: int, arrays: dict[str, np.ndarray], steps: int, seconds: float) -> None:
        """Write one chunk: results (m, ...) of its points in flat order."""
        where, extent = self.tiles.slices(number), self.tiles.extent(number)
        status = self.group[STATUS]
        codes = np.ascontiguousarray(arrays[STATUS], dtype=np.int8)
        if self.overwrites(number):
            status[where] = np.full(extent, PENDING, np.int8)
        for path in self.names:
            values = arrays[path]
            self.array(path)[where] = values.reshape(extent + values.shape[1:])
        row = [self.digest({**arrays, STATUS: codes}), steps, int(1e6 * seconds), int(1e6 * time.time())]
        self.group["ledger/chunks"][number] = np.array(row, dtype=np.int64)
        status[where] = codes.reshape(extent)

    def overwrites(self, number: int) -> bool:
        """Whether this chunk has been written before."""
        try:
            return int(self.group["ledger/chunks"][number][MOMENT]) != 0
        except (ValueError, RuntimeError):
            return True

    def read(self, number: int) -> dict[str, np.ndarray]:
        """The arrays (m, ...) of one chunk; raises `ValueError` or `RuntimeError` where it is damaged."""
        where, points = self.tiles.slices(number), self.tiles.points(number)
        found = {}
        for path in [*self.names, STATUS]:
            values = np.asarray(self.array(path)[where])
            found[path] = values.reshape((points, *values.shape[len(where) :]))
        return found

    def array(self, path: str) -> Any:
        """The array of results at a path such as "exponents" or "gradient/rho"."""
        return self.group[place(path)]

    def digest(self, arrays: dict[str, np.ndarray]) -> int:
        """64 bits of hash over all the arrays of a chunk; every NaN counts as the one that a lost chunk reads as."""
        h = blake2b(digest_size=8)
        for path in [*self.names, STATUS]:
            array = np.ascontiguousarray(arrays[path])
            if array.dtype.kind == "f":
                array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
            h.update(array.reshape(-1).view(np.uint8).data)
        return int.from_bytes(h.digest(), "little", signed=True)

    def ledger(self) -> np.ndarray:
        """(chunks, 4): digest, steps, microseconds, moment."""
        try:
            return np.asarray(self.group["ledger/chunks"][:])
        except (ValueError, RuntimeError):
            rows = np.zeros((len(self.tiles), 4), np.int64)
            for number in range(len(self.tiles)):
                try:
                    rows[number] = self.group["ledger/chunks"][number]
                except (ValueError, RuntimeError):
                    continue
            return rows

    def codes(self, number: int) -> np.ndarray:
        """Statuses (m,) of one chunk; PENDING where they cannot be read."""
        try:
            return np.asarray(self.group[STATUS][self.tiles.slices(number)]).reshape(-1)
        except (ValueError, RuntimeError):
            return np.full(self.tiles.points(number), PENDING, np.int8)

    def statuses(self) -> np.ndarray:
        """All statuses; PENDING where they cannot be read."""
        try:
            return np.asarray(self.group[STATUS][...])
        except (ValueError, RuntimeError):
            found = np.full(self.tiles.shape, PENDING, np.int8)
            for number in range(len(self.tiles)):
                found[self.tiles.slices(number)] = self.codes(number).reshape(self.tiles.extent(number))
            return found

    def survey(self) -> tuple[list[int], list[Damage]]:
        """Chunks that remain to be computed, and those among them that were written and are damaged."""
        if not self.ready:
            return list(range(len(self.tiles))), []
        pending, damaged = [], []
        statuses, ledger = self.statuses(), self.ledger()
        for number in range(len(self.tiles)):
            written = ledger[number, MOMENT] != 0
            if np.any(statuses[self.tiles.slices(number)] == PENDING):
                pending.append(number)
                continue
            reason = self._damage(number, ledger[number]) if written else "its line in the ledger is missing"
            if reason:
                pending.append(number)
                damaged.append(Damage(number, reason))
        return pending, damaged

    def _damage(self, number: int, row: np.ndarray) -> str:
        """Why a chunk cannot be trusted; empty where it can."""
        try:
            found = self.read(number)
        except (ValueError, RuntimeError, OSError) as problem:
            return f"it cannot be read ({problem})"
        return "" if self.digest(found) == row[DIGEST] else "its numbers are not those that were written"

    def failures(self) -> tuple[int, int]:
        """Points done, and failed ones among them."""
        statuses = self.statuses()
        return int((statuses != PENDING).sum()), int(Status.failed(statuses).sum())


def add_array(store: Store, path: str, dtype: Any, fill: Any, own: tuple[int, ...], extra: list[str]) -> None:
    """One array of results, in the chunks of the work."""

    where, slash, name = place(path).rpartition("/")
    group = store.group.require_group(where) if slash else store.group
    m = store.manifest
    group.create_array(
        name=name, shape=(*store.tiles.shape, *own), chunks=(*(max(c, 1) for c in store.tiles.box), *own),
        dtype=dtype, fill_value=fill, compressors=codecs(),
        dimension_names=[*m["dims"], *extra], overwrite=True,
    )  # fmt: skip


def place(path: str) -> str:
    """Where in the group an array lies: at the top, where a data set is read, but for states that only we need."""
    return path if path.startswith("state/") else path.replace("/", "_")


def put(parent: Any, name: str, values: Any, dims: Any = None) -> None:
    """Write an array whole, in chunks of a bounded size."""
    values = np.array(values, order="C")
    parent.create_array(
        name=name, data=values, dimension_names=dims, overwrite=True, compressors=codecs(),
        chunks=tuple(max(1, min(m, PIECE)) for m in values.shape) if values.ndim else "auto",
    )  # fmt: skip


def codecs() -> list[Any]:
    """Zstandard with a checksum, without which flipped bits come back as numbers."""
    from zarr.codecs import ZstdCodec

    return [ZstdCodec(level=LEVEL, checksum=True)]


def _fill(path: str, dtype: np.dtype) -> Any:
    if path == "failed_step":
        return -1
    return np.nan if dtype.kind == "f" else 0


def _attributes(manifest: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """What a reader of the data set sees."""
    plain = plain_attributes(told["result_settings"])
    units = {"units": told["units"]} if told["units"] else {}
    names = {"components": told["along"]["component"]} if "component" in told["along"] else {}
    about = {"system": manifest["system"]["name"], "kind": manifest["system"]["kind"], "verb": manifest["verb"]}
    return {**plain, **about, **units, **names}
