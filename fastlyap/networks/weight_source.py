"""Tensors of a trained network under the names that its framework gave them, read one at a time and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import torch_modules
from fastlyap.networks.weight_names import Layer


class Source(NamedTuple):
    """Tensors by name, how they are laid out, and what to call them in messages."""

    tensors: Mapping[str, Any]
    layout: str
    where: str

    def array(self, key: str, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
        """A tensor as finite float64 numbers; `shape` is what it must have, None where any length will do."""
        name = f"{self.where}[{key!r}]"
        found = cast.real_array(name, torch_modules.plain(name, self.tensors[key]))
        if shape is None:
            return found
        fits = found.size and found.ndim == len(shape)
        if not fits or any(wanted not in (None, n) for n, wanted in zip(found.shape, shape, strict=True)):
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            more = "; convolutions cannot be read" if found.ndim > 2 else ""
            raise InputError(f"`{name}` must have shape ({wanted}), got {found.shape}{more}.")
        return found

    def listed(self, keys: Iterable[str] | None = None) -> str:
        """Some names for a message."""
        names = [f"`{key}`" for key in (self.tensors if keys is None else keys)]
        return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "nothing"


class Reader:
    """One layer's tensors by what they are; keeps account of those that were read."""

    def __init__(self, source: Source, layer: Layer) -> None:
        self.source, self.layer = source, layer
        self._read: set[str] = set()

    def has(self, role: str) -> bool:
        """Whether the layer has this tensor."""
        return role in self.layer.keys

    def fetch(self, role: str, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
        """The tensor, which must be there and have this shape."""
        if role not in self.layer.keys:
            raise InputError(
                f"`{role}` is missing in {self.source.where} beside {self.source.listed(self.layer.keys.values())}."
            )
        self._read.add(role)
        return self.source.array(self.layer.keys[role], shape)

    def close(self) -> None:
        """Refuse a layer of which not everything was read."""
        extra = [key for role, key in self.layer.keys.items() if role not in self._read]
        if extra:
            raise InputError(f"{self.source.listed(extra)} in {self.source.where} has no place in its layer.")
