"""lyapax on rings and networks of n oscillators, the whole call inside `jax.jit`; batches by `jax.vmap`."""

import functools

import jax
import jax.numpy as jnp
import lyapax
import numpy as np

from bench.workloads import EVERY


def lorenz96(x, F):
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + F


def kuramoto(x, K, omega):
    s, c = jnp.sin(x), jnp.cos(x)
    return omega + K * (s.mean() * c - c.mean() * s)


RULES = {"lorenz96": lorenz96, "kuramoto": kuramoto}


def spectra(name: str, system, x0: np.ndarray, steps: int, k: int) -> np.ndarray:
    """The k leading exponents (..., k) of orbits from x0 (..., n), at the system's default parameters."""
    values = tuple(jnp.asarray(value) for value in system.parameters.values())
    run = _compiled(name, steps, k, system.dt, np.ndim(x0) > 1)
    return np.asarray(run(jnp.asarray(x0), values))


@functools.cache
def _compiled(name, steps, k, dt, many):
    def one(x0, values):
        problem = lyapax.ode_problem(lambda x: RULES[name](x, *values), x0, dt)
        found = lyapax.lyapunov_spectrum(problem, n_steps=steps, k=k, renorm_every=EVERY)
        return found.exponents

    return jax.jit(jax.vmap(one, in_axes=(0, None)) if many else one)
