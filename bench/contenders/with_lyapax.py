"""lyapax, compiled as a whole; batches by `jax.vmap`, as its documentation advises."""

import functools

import jax
import jax.numpy as jnp
import lyapax
import numpy as np

from bench.workloads import DT, EVERY, lorenz63


def lorenz63_spectra(rho: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, 3), from a frame of its own; `rho` without axes is one orbit, without vmap."""
    return np.asarray(_compiled(steps, np.ndim(rho) > 0)(jnp.asarray(rho, dtype=float)))


@functools.cache
def _compiled(steps, many):
    def one(rho):
        def rule(x):
            return jnp.array([10.0 * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

        problem = lyapax.ode_problem(rule, jnp.array(lorenz63.x0), DT)
        return lyapax.lyapunov_spectrum(problem, n_steps=steps, renorm_every=EVERY).exponents

    return jax.jit(jax.vmap(one) if many else one)
