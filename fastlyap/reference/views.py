"""What a rule sees as `x` and `p`: numbers by name, by index, by slice, in a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlyap.reference.dual import Dual


class View:
    """Values in a fixed order, the first of them (or all) with names."""

    def __init__(self, names: Sequence[str], values: Sequence[Any]) -> None:
        self._values = tuple(values)
        self._place = {name: i for i, name in enumerate(names)}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_place", "_values"):  # protocols; a half-made copy
            raise AttributeError(name)
        if name not in self._place:
            raise AttributeError(f"there is no {name!r}; there are: {', '.join(self._place) or 'none'}")
        return self._values[self._place[name]]

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._place[key] if isinstance(key, str) else key]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """An array of objects, so that `A @ x` works."""
        return objects(self._values)


def parameters(flat: np.ndarray, names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> View:
    """The view of flat parameters (B, n_params): `p.rho`, `p.omega[i]`, each one number of every member."""
    values, first = [], 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=int))
        columns = [Dual(column) for column in flat[:, first : first + size].T]
        values.append(objects(columns).reshape(shape) if shape else columns[0])
        first += size
    return View(names, values)


def objects(items: Sequence[Any]) -> np.ndarray:
    """A one-dimensional array of objects whose insides NumPy leaves alone."""
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array
