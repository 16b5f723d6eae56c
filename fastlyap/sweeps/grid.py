"""Open-mesh grids: several parameters and starts varied against each other in one call.

Like `numpy.ix_` with names: `grid(rho=a, sigma=b)` holds `rho (len(a), 1)` and `sigma (1, len(b))`, so that
broadcasting them gives the batch shape `(len(a), len(b))`, axes in the order written.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class Grid(Mapping):
    """A frozen mapping of parameter names to open-mesh arrays, made by `grid`.

    Attributes
    ----------
    parameters : dict of str to array
        Open-mesh arrays, `(1, ..., m, ..., 1)` + own shape; the mapping itself shows the same.
    x0 : dict, array or None
        Starts: state name to open-mesh array, or an array `batch + (n,)`, or None.
    axes : dict of str to array
        The values along each batch axis, in the order written.
    """

    parameters: dict[str, np.ndarray]
    x0: dict[str, np.ndarray] | np.ndarray | None
    axes: dict[str, np.ndarray]

    # A mapping of arrays has no single truth value to compare by.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def dims(self) -> tuple[str, ...]:
        """One name per batch axis, in the order written."""
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The batch shape."""
        return tuple(len(values) for values in self.axes.values())

    def __getitem__(self, name: str) -> np.ndarray:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {_range(values)}" for name, values in self.axes.items())
        fixed = "".join(f"; {name} = {value:.6g}" for name, value in self.items() if value.ndim == 0)
        return f"Grid({axes or 'no axes'}{fixed}), {math.prod(self.shape)} points"


def grid(x0: Mapping[str, Any] | np.ndarray | None = None, **arrays: Any) -> Grid:
    """Every combination of the values given, as one batch.

    Parameters
    ----------
    x0 : mapping of state names to (m,) values, or an array (m, n) of whole states, optional
        Starts; their axes come first. A single number fixes that component, an array (n,) the whole start.
    **arrays : (m,) or (m,) + own shape
        Values of each parameter, first axis swept. A single number fixes that parameter and adds no axis.

    Returns
    -------
    Grid
        To be given to a verb as `parameters`; `len(grid.dims)` batch axes in the order written.

    Examples
    --------
    >>> import numpy as np
    >>> from fastlyap.sweeps import grid
    >>> g = grid(rho=np.linspace(0, 100, 5), sigma=[8.0, 10.0])
    >>> g.dims, g.shape, g["sigma"].shape
    (('rho', 'sigma'), (5, 2), (1, 2))
    """
    values = {name: _values(name, v) for name, v in arrays.items()}
    named = x0 if isinstance(x0, Mapping) else {}
    starts = {name: _values(f"x0[{name!r}]", v, most=1) for name, v in named.items()}
    whole = None if x0 is None or named else _values("x0", x0, most=2)
    labels = {name: f"x0.{name}" if name in values else name for name in starts}
    axes = {labels[name]: v for name, v in starts.items() if v.ndim}
    if whole is not None and whole.ndim == 2:
        axes["x0"] = whole
    axes |= {name: v for name, v in values.items() if v.ndim}
    parameters = {name: _open(v, name, axes) for name, v in values.items()}
    opened = {name: _open(v, labels[name], axes) for name, v in starts.items()}
    return Grid(parameters, opened or None if whole is None else _open(whole, "x0", axes), axes)


def _range(values: np.ndarray) -> str:
    """One axis in a few words."""
    if values.ndim > 1 or values.size < 2:
        return f"{len(values)}"
    return f"{len(values)} from {values[0]:.6g} to {values[-1]:.6g}"


def _values(name: str, given: Any, most: int | None = None) -> np.ndarray:
    """The values as a read-only float copy of at most `most` axes."""
    values = cast.real_array(name, given)
    if most is not None and values.ndim > most:
        raise InputError(f"`{name}` must have at most {most} axes, got shape {values.shape}; ravel it first.")
    values.flags.writeable = False
    return values


def _open(values: np.ndarray, label: str, axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Shape (1, ..., m, ..., 1) + own shape with m on the axis called `label`."""
    if label not in axes:
        return values
    place = list(axes).index(label)
    behind = len(axes) - 1 - place
    return values.reshape((1,) * place + values.shape[:1] + (1,) * behind + values.shape[1:])
