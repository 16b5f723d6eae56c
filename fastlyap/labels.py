"""Names, coordinates and units of a result's axes, for pictures, tables and labelled arrays.

A result's parameter arrays have batch axes in front (length 1 where a parameter does not vary) and the
parameter's own shape behind.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap.errors import InputError

NUMBERED = ("exponent", "vector", "other")  # axes whose places are numbers


def coordinate(result: Any, axis: int) -> np.ndarray | None:
    """The values (m,) along a batch axis, where they are those of one parameter or component of the start."""
    name, shape = result.dims[axis], result.status.shape
    values = result.parameters.get(name)
    if values is None and result.x0 is not None:
        component = name.removeprefix("x0.")
        if component in result.system.state_names:
            values = result.x0[..., result.system.state_names.index(component)]
    if values is None:
        return None
    values = aligned(values, shape)
    first = values[tuple(slice(None) if i == axis else slice(1) for i in range(len(shape)))]
    if values.ndim > len(shape) or first.size != shape[axis] or not np.all(values == first):
        return None
    return first.ravel()


def batch_axis(result: Any, axis: int) -> tuple[np.ndarray, str]:
    """Values and label of a batch axis for a picture; the plain index where no parameter gives values."""
    values = coordinate(result, axis)
    if values is None:
        return np.arange(result.status.shape[axis]), f"{result.dims[axis]} (index)"
    return values, result.dims[axis]


def coordinates(result: Any) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Coordinates of a labelled data set: name to (dims, values), batch axes of length one left out."""
    values_along = {name: coordinate(result, axis) for axis, name in enumerate(result.dims)}
    found: dict[str, tuple[tuple[str, ...], np.ndarray]]
    found = {name: ((name,), values) for name, values in values_along.items() if values is not None}
    for name, values in result.parameters.items():
        if name not in found:
            # a name that is also an axis must stay free for that axis
            found[f"parameter_{name}" if name in result.dims else name] = _spread(name, values, result)
    return found


def dataset(result: Any) -> Any:
    """The result as an `xarray.Dataset`: arrays, coordinates of the batch axes, settings as attributes."""
    xarray = import_extra("xarray", "xarray")
    shape = result.status.shape
    variables, sizes = {}, dict[str, int]()
    for field in dataclasses.fields(result):
        values = getattr(result, field.name)
        if isinstance(values, np.ndarray) and field.name not in ("times", "x0"):
            own = result.axes(field.name)[: values.ndim - len(shape)]
            variables[field.name] = (*result.dims, *own), values
            sizes |= dict(zip(own, values.shape[len(shape) :], strict=True))
    along = own_coordinates(result, sizes)
    attributes = {"system": result.system.name, "kind": result.system.kind, "digest": result.system.digest}
    attributes |= plain_attributes(result.settings)
    if along.keys() & set(NUMBERED):
        attributes["units"] = str(result.unit)
    return xarray.Dataset(variables, coordinates(result) | along, attributes)


def plain_attributes(settings: dict[str, Any]) -> dict[str, int | float | str]:
    """Settings as attributes of a data set; True is 1, since not every format knows truth values."""
    plain = {name: v for name, v in settings.items() if isinstance(v, (int, float, str))}
    return {name: int(v) if isinstance(v, bool) else v for name, v in plain.items()}


def own_coordinates(result: Any, sizes: dict[str, int]) -> dict[str, Any]:
    """Values along axes of these lengths behind the batch's: numbers, times, names of components, middles of bins."""
    found: dict[str, Any] = {name: np.arange(sizes[name]) for name in NUMBERED if name in sizes}
    if "time" in sizes:
        found["time"] = result.times
    if "component" in sizes and len(result.system.state_names) == sizes["component"]:
        found["component"] = list(result.system.state_names)
    if "bin" in sizes:
        found["bin"] = (result.angle_edges[1:] + result.angle_edges[:-1]) / 2
    return found


def _spread(name: str, values: np.ndarray, result: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """A parameter array as (dims, values) without the batch axes it does not vary along."""
    n_batch = len(result.dims)
    values = aligned(values, result.status.shape)
    idle = tuple(i for i in range(n_batch) if values.shape[i] == 1)
    names = [*result.dims, *(f"{name}_{i}" for i in range(values.ndim - n_batch))]
    return tuple(d for i, d in enumerate(names) if i not in idle), values.squeeze(idle)


def aligned(values: np.ndarray, batch_shape: tuple[int, ...]) -> np.ndarray:
    """A parameter array with as many axes in front of its own shape as the batch has.

    Fewer leading axes than the batch has are filled up from the left, as broadcasting does; an array whose
    axes cannot be those of the batch is all own shape.
    """
    values = np.asarray(values)
    n_batch = len(batch_shape)
    for lead in (values.ndim if values.ndim < n_batch else n_batch, 0):
        tail = batch_shape[n_batch - lead :]
        if all(m in (1, size) for m, size in zip(values.shape[:lead], tail, strict=True)):
            break
    return values.reshape((1,) * (n_batch - lead) + values.shape)


def import_extra(module: str, extra: str) -> Any:
    """An optional package, or a sentence naming the extra that brings it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(
            f'this needs {module.partition(".")[0]}; install it with: pip install "fastlyap[{extra}]"'
        ) from None


def member_index(result: Any, index: int | Sequence[int]) -> tuple[int, ...]:
    """One member's index as a tuple, checked against the batch shape."""
    shape = result.status.shape
    chosen = tuple(int(i) for i in np.atleast_1d(np.asarray(index, dtype=np.int64)))
    if len(chosen) != len(shape) or not all(-m <= i < m for i, m in zip(chosen, shape, strict=True)):
        raise InputError(f"`index` must name one member of the batch shape {shape}, got {index!r}.")
    return chosen
