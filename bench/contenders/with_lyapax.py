"""lyapax: as its documentation calls it, and, faster, with the whole call inside `jax.jit`; batches by `jax.vmap`."""

import functools

import jax
import jax.numpy as jnp
import lyapax
import numpy as np

from bench.workloads import DT, EVERY, lorenz63


def lorenz63_spectra(rho: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, 3), from a frame of its own; `rho` without axes is one orbit, without vmap."""
    return np.asarray(_compiled(steps, np.ndim(rho) > 0)(jnp.asarray(rho, dtype=float)))


def lorenz63_spectrum(rho: float, steps: int) -> np.ndarray:
    """Exponents (3,) of one orbit by a plain call."""
    return np.asarray(lyapax.lyapunov_spectrum(_plain_problem(rho), n_steps=steps, renorm_every=EVERY).exponents)


@functools.cache
def _plain_problem(rho):
    return _problem(rho)


def _problem(rho):
    def rule(x):
        return jnp.array([10.0 * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    return lyapax.ode_problem(rule, jnp.array(lorenz63.x0), DT)


@functools.cache
def _compiled(steps, many):
    def one(rho):
        return lyapax.lyapunov_spectrum(_problem(rho), n_steps=steps, renorm_every=EVERY).exponents

    return jax.jit(jax.vmap(one) if many else one)
