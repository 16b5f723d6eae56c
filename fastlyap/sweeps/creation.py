"""A new store: coordinates, inputs, ledger and statuses, before anything has been computed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from fastlyap import labels
from fastlyap.machines import assembly
from fastlyap.status import PENDING, Status
from fastlyap.sweeps.job import Job
from fastlyap.sweeps.store import MANIFEST, STATUS, Store, add_array, codecs, put
from fastlyap.sweeps.verbs import taken


def create(target: Any, place: str, job: Job, manifest: dict[str, Any], *, anew: bool) -> Store:
    """Make an empty store for a job, in place of one that was cut off if `anew`; it counts once it says `made`."""
    zarr = labels.import_extra("zarr", "sweep")
    group = zarr.create_group(target, zarr_format=3, overwrite=anew, attributes={MANIFEST: manifest})
    store = Store(group, place)
    x, parameters = _inputs(job)
    inputs = group.create_group("inputs")
    put(inputs, "x0", x)
    for name, values in parameters.items():
        put(inputs.require_group("parameters"), name, values)
    _coordinates(group, job, x, parameters)
    group.create_group("ledger").create_array(
        name="chunks", shape=(len(store.tiles), 4), chunks=(1, 4), dtype="int64", fill_value=0, compressors=codecs()
    )
    add_array(store, STATUS, np.dtype(np.int8), PENDING, (), [])
    names = [code.name for code in Status]
    group[STATUS].attrs.update({"flag_values": list(range(len(names))), "flag_meanings": " ".join(names)})
    store.consolidate()
    store.update(made=True)
    return store


def _inputs(job: Job) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Starts (..., n) and parameters of the points, with axes of length 1 where they do not vary."""
    members, n = job.request.members, job.request.system.dim
    x, parameters = members.x.reshape(*members.shape, n), dict(members.parameters)
    if job.starts is not None:
        x = x[..., 0, :]
        parameters = {name: values.squeeze(len(job.shape)) for name, values in parameters.items()}
    if np.all(x == x.reshape(-1, n)[:1]):
        x = x[(slice(0, 1),) * len(job.shape)]
    return x, parameters


def _coordinates(group: Any, job: Job, x: np.ndarray, parameters: dict[str, np.ndarray]) -> None:
    """What labels the axes, and parameters beside; by the names of the axes they vary along."""
    alike = SimpleNamespace(
        dims=job.dims, status=np.broadcast_to(np.int8(PENDING), job.shape), parameters=parameters,
        x0=np.broadcast_to(x, (*job.shape, x.shape[-1])), system=assembly.info(job.request.system),
    )  # fmt: skip
    plain = {name: values for name, values in job.axes.items() if values.ndim == 1 and values.dtype.kind in "fiu"}
    found = {**{name: ((name,), values) for name, values in plain.items()}, **labels.coordinates(alike)}
    for name in found.keys() & taken(job.verb):
        found[f"parameter_{name}"] = found.pop(name)
    for name, (dims, values) in found.items():
        put(group, name, values, list(dims))
    beside = [name for name in found if name not in job.dims]
    if beside:
        group.attrs["coordinates"] = " ".join(beside)
