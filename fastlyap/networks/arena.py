"""Parameters of a network, or of a batch of networks, one behind the other in one array that kernels read in place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastlyap.errors import InputError

Shape = tuple[int, ...]


class Arena:
    """Flat parameters, and where those of each member lie: axes that a parameter lacks are read again, not copied.

    Attributes
    ----------
    flat : all numbers
    values : read-only views of them by name, batch axes in front of the own shape
    batch_shape : broadcast of all batch axes
    """

    def __init__(self, shapes: Mapping[str, Shape], values: Mapping[str, Any]) -> None:
        arrays = {name: np.asarray(values[name], dtype=np.float64) for name in shapes}
        lead = {name: _batch_axes(name, arrays[name].shape, own) for name, own in shapes.items()}
        self.batch_shape = broadcast(lead)
        self.shapes = shapes
        self._lead = lead
        self._places: dict[Shape, np.ndarray] = {}
        self._adopt(np.concatenate([array.ravel() for array in arrays.values()]) if arrays else np.empty(0))

    def moved(self, flat: np.ndarray) -> Arena:
        """Other numbers in the same places; NaN may be among them."""
        found = object.__new__(Arena)
        found.batch_shape, found.shapes, found._lead, found._places = (
            self.batch_shape, self.shapes, self._lead, self._places
        )  # fmt: skip
        found._adopt(flat)
        return found

    def _adopt(self, flat: np.ndarray) -> None:
        self.flat = flat
        self.values: dict[str, np.ndarray] = {}
        self._starts: dict[str, int] = {}
        start = 0
        for name, own in self.shapes.items():
            shape = (*self._lead[name], *own)
            here = flat[start : start + math.prod(shape)].reshape(shape)
            here.flags.writeable = False
            self.values[name], self._starts[name] = here, start
            start += here.size

    def places(self, batch: Shape) -> np.ndarray:
        """Where the numbers of each parameter begin, for all members of a batch: (members, parameters)."""
        if batch not in self._places:
            found = [self._own_places(name, batch) for name in self.shapes]
            table = np.stack(found, axis=-1) if found else np.zeros((math.prod(batch), 0), dtype=np.int64)
            self._places[batch] = np.ascontiguousarray(table)
        return self._places[batch]

    def _own_places(self, name: str, batch: Shape) -> np.ndarray:
        return self._starts[name] + places(self._lead[name], self.shapes[name], batch)


class Gradient(Mapping[str, np.ndarray]):
    """Adjoints of parameters by name, batch shape + own shape: views of one flat array.

    Attributes
    ----------
    flat : all numbers, parameter after parameter, within each member after member
    """

    def __init__(self, flat: np.ndarray, starts: dict[str, int], shapes: Mapping[str, Shape], batch: Shape) -> None:
        self.flat, self._starts, self._shapes, self._batch = flat, starts, shapes, batch

    def __getitem__(self, name: str) -> np.ndarray:
        shape = (*self._batch, *self._shapes[name])
        start = self._starts[name]
        return self.flat[start : start + math.prod(shape)].reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    def __repr__(self) -> str:
        return f"adjoints of {', '.join(f'{name} {self[name].shape}' for name in self):.200}"


def places(lead: Shape, own: Shape, batch: Shape) -> np.ndarray:
    """Where each member's part of an array (*lead, *own) begins, for a batch that `lead` broadcasts to: (members,)."""
    starts = np.arange(math.prod(lead), dtype=np.int64) * math.prod(own)
    return starts if lead == batch else np.broadcast_to(starts.reshape(lead), batch).ravel()


def broadcast(lead: Mapping[str, Shape]) -> Shape:
    """The batch shape of arrays with these batch axes."""
    shapes = set(lead.values()) - {()}
    if len(shapes) < 2:
        return shapes.pop() if shapes else ()
    try:
        return np.broadcast_shapes(*lead.values())
    except ValueError:
        listed = ", ".join(f"`{name}` {shape}" for name, shape in lead.items() if shape)
        raise InputError(f"the batch shapes must broadcast together, got {listed}.") from None


def _batch_axes(name: str, shape: Shape, own: Shape) -> Shape:
    lead = len(shape) - len(own)
    if lead < 0 or shape[lead:] != own:
        wanted = ", ".join(map(str, own))
        advice = "; transpose it: rows are inputs" if shape[-2:] == own[::-1] and len(own) == 2 else ""
        raise InputError(f"`{name}` must have shape (..., {wanted}), got {shape}{advice}.")
    return shape[:lead]
