"""What may be swept: grids, dicts that broadcast, labelled data sets, and designs that fill a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.sweeps.grid import Grid

DESIGNS = ("latin_hypercube", "sobol")


def points_of(given: Any, system: Any) -> Any:
    """Parameters as a verb takes them; the variables of a data set by their names."""
    if not hasattr(given, "data_vars") or not hasattr(given, "sizes"):
        return given
    dims = [str(name) for name in given.sizes]
    variables = {str(name): variable for name, variable in given.variables.items()}
    known = [name for name in variables if name in system.parameters]
    starts = [name for name in variables if name in system.state_names and name not in system.parameters]
    for name in map(str, given.data_vars):
        if name not in known and name not in starts:
            names = ", ".join([*system.parameters, *system.state_names])
            raise InputError(f"`grid` has a variable `{name}` that {system.name} does not have; there are: {names}.")
    used = [dim for dim in dims if any(dim in variables[name].dims for name in known + starts)]
    parameters = {name: _open(variables[name], used, np.ndim(system.parameters[name])) for name in known}
    x0 = {name: _open(variables[name], used, 0) for name in starts}
    axes = {dim: np.asarray(given[dim].values) for dim in used}
    return Grid(parameters, x0 or None, axes)


def _open(variable: Any, dims: list[str], own: int) -> np.ndarray:
    """A labelled array with all the batch axes, of length one where it does not vary, in front of its own shape."""
    names = [str(name) for name in variable.dims]
    lead = [name for name in names if name in dims]
    if own:
        lead = names[: len(names) - own]
    order = sorted(lead, key=dims.index)
    values = cast.real_array("grid", variable.values)
    values = np.moveaxis(values, [names.index(name) for name in order], range(len(order)))
    shape = [values.shape[order.index(dim)] if dim in order else 1 for dim in dims]
    return values.reshape(*shape, *values.shape[len(order) :])


def design(kind: str, count: int, *, seed: int = 0, x0: Mapping[str, Any] | None = None, **spans: Any) -> Grid:
    """Points that fill a box evenly: a Latin hypercube or a scrambled Sobol sequence.

    Parameters
    ----------
    kind : "latin_hypercube" or "sobol"
    count : int
        How many points; a power of two for Sobol.
    seed : int
    x0 : mapping of state names to (low, high), optional
        Components of the start to vary, too.
    **spans : (low, high), or ("log", low, high)
        Of each parameter.

    Returns
    -------
    Grid
        One batch axis, "point".

    Notes
    -----
    `scipy.stats.qmc`; Owen, J. Complexity 14 (1998), 466, for the scrambling.

    Examples
    --------
    >>> from fastlyap.sweeps.points import design
    >>> design("sobol", 8, a=(1.0, 1.4), b=("log", 0.01, 0.3)).shape
    (8,)
    """
    from scipy.stats import qmc

    cast.choice("kind", kind, DESIGNS)
    cast.count("count", count, 1)
    named = {**{f"x0[{name!r}]": span for name, span in (x0 or {}).items()}, **spans}
    if not named:
        raise InputError("`design` needs at least one span, as rho=(0, 100).")
    if kind == "sobol" and count & (count - 1):
        raise InputError(f"`count` must be a power of two for a Sobol sequence, got {count}.")
    seed = cast.count("seed", seed, 0)
    # scipy has renamed the argument for the seed, but takes it by place in neither version
    sampler = {"latin_hypercube": qmc.LatinHypercube, "sobol": qmc.Sobol}[kind](len(named), **_random(qmc, seed))
    unit = sampler.random(count)
    columns = {name: _scaled(name, span, unit[:, i]) for i, (name, span) in enumerate(named.items())}
    starts = {name: columns.pop(f"x0[{name!r}]") for name in x0 or {}}
    return Grid(columns, starts or None, {"point": np.arange(count)})


def _random(qmc: Any, seed: int) -> dict[str, Any]:
    import inspect

    word = "rng" if "rng" in inspect.signature(qmc.LatinHypercube.__init__).parameters else "seed"
    return {word: np.random.default_rng(seed)}


def _scaled(name: str, span: Any, unit: np.ndarray) -> np.ndarray:
    """Values of one parameter from numbers in [0, 1)."""
    words = tuple(span) if isinstance(span, (tuple, list)) else ()
    even = words[:1] != ("log",)
    ends = words if even else words[1:]
    if len(ends) != 2:
        raise InputError(f'`{name}` must be (low, high) or ("log", low, high), got {span!r}.')
    low, high = (cast.real(name, end) for end in ends)
    if not even and min(low, high) <= 0:
        raise InputError(f'`{name}` needs ends > 0 with "log", got {span!r}.')
    return low + (high - low) * unit if even else low * (high / low) ** unit
