"""JAX: an average over a chaotic run inside a loss, its gradient by a method that survives chaos."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from fastlyap.bridges.observable import Observable
from fastlyap.errors import InputError
from fastlyap.labels import import_extra


def mean_observable(system: Any, objective: Any, *, untrusted: str = "warn", **fixed: Any) -> JaxObservable:
    """An objective of a system's runs as a JAX function of its parameters.

    Parameters
    ----------
    system, objective, untrusted, **fixed
        As for `fl.bridges.torch.mean_observable`.

    Returns
    -------
    JaxObservable
        A function of arrays by name, `observable(rho=rho)`, each of shape (..., own shape of the parameter), whose
        batch axes broadcast; "x0" (..., n) may be among them. It returns an array of the batch shape, or a tuple for a
        tuple of objectives. `observable(rho=rho, seed=3)` draws other starts and other noise.

    Raises
    ------
    InputError
        For wrong arguments.
    ImportError
        Without JAX: pip install "fastlyap[jax]".

    Notes
    -----
    Value and gradient come from one run on the CPU, in a callback, during the forward pass. Works under `jax.jit`,
    `jax.grad` and `jax.vmap` (one run for the whole batch), in reverse mode only. The run is in double precision; what
    is returned has the precision of the arguments, single unless `jax_enable_x64` is set.
    """
    return JaxObservable(system, objective, untrusted, fixed)


class JaxObservable(Observable):
    """What `mean_observable` returns; `last` is the `Gradient` of the last run, with errors and statuses."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._jax, self._function = import_extra("jax", "jax"), _function(self)

    def __call__(self, *, seed: Any = None, **arrays: Any) -> Any:
        numpy, names = self._jax.numpy, self.names(arrays)
        given = [numpy.asarray(arrays[name]) for name in names]
        batch, _ = self.shapes(names, [one.shape for one in given])
        dtype = numpy.result_type(float, *given)
        given = [numpy.broadcast_to(one.astype(dtype), (*batch, *self.own(name)))
                 for name, one in zip(names, given, strict=True)]  # fmt: skip
        value = self._function(names, given, numpy.asarray(-1 if seed is None else seed))
        return tuple(value) if self.several else value[0]


def _function(observable: Observable) -> Any:
    """(names, arrays, seed) -> values (J, ...), with its rule for going backward."""
    jax = import_extra("jax", "jax")

    def run(names: Any, arrays: Any, seed: Any) -> Any:
        batch, width = observable.shapes(names, [one.shape for one in arrays])
        dtype = arrays[0].dtype
        shape = (*batch, observable.count)  # members in front, where vmap puts more of them
        results = jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct((*shape, width), dtype)

        def call(seed: Any, *arrays: Any) -> Any:
            found = observable.run(names, arrays, _one(np.asarray(seed)))
            members = found[0].ndim - 1
            return tuple(np.moveaxis(each, 0, members).astype(dtype) for each in found)

        return jax.pure_callback(call, results, seed, *arrays, vmap_method="expand_dims")

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def function(names: Any, arrays: Any, seed: Any) -> Any:
        return jax.numpy.moveaxis(run(names, arrays, seed)[0], -1, 0)

    def forward(names: Any, arrays: Any, seed: Any) -> Any:
        value, rows = run(names, arrays, seed)
        return jax.numpy.moveaxis(value, -1, 0), rows

    def backward(names: Any, rows: Any, by_value: Any) -> Any:
        whole = (jax.numpy.moveaxis(by_value, 0, -1)[..., None] * rows).sum(-2)
        own = [observable.own(name) for name in names]
        parts = jax.numpy.split(whole, np.cumsum([math.prod(each) for each in own])[:-1], axis=-1)
        return [part.reshape((*part.shape[:-1], *each)) for part, each in zip(parts, own, strict=True)], None

    function.defvjp(forward, backward)
    return function


def _one(seed: np.ndarray) -> int | None:
    """The seed of a run, or None for the default; one for all members of a batch."""
    if np.any(seed != seed.flat[0]):
        raise InputError(f"`seed` must be one number for all of a batch, got {seed.ravel()[:5].tolist()}.")
    return None if seed.flat[0] < 0 else int(seed.flat[0])
