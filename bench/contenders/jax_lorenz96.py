"""Lorenz 96 by hand in JAX: vmap over members, scan over steps; with `linalg.qr` and with Gram-Schmidt."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from bench.workloads import DT, EVERY, frame, lorenz96

N = 40
FORMS = ("qr", "Gram-Schmidt")


def spectra(forcing: np.ndarray, steps: int, form: str) -> np.ndarray:
    """Exponents (members, N)."""
    return np.asarray(_compiled(steps, form)(jnp.asarray(forcing)))


@functools.cache
def _compiled(steps, form):
    orthonormalise = {"qr": _qr, "Gram-Schmidt": _gram_schmidt}[form]

    def one(F):
        def advance(carry, _):
            x, V = carry
            x, tangent = jax.linearize(lambda y: _step(y, F), x)
            return (x, jax.vmap(tangent)(V)), None

        def interval(carry, _):
            x, V, total = carry
            (x, V), _ = jax.lax.scan(advance, (x, V), None, length=EVERY)
            V, growth = orthonormalise(V)
            return (x, V, total + growth), None

        begin = (jnp.array(lorenz96(N).x0), jnp.array(frame(N)), jnp.zeros(N))
        (_, _, total), _ = jax.lax.scan(interval, begin, None, length=steps // EVERY)
        return total / (steps * DT)

    return jax.jit(jax.vmap(one))


def _step(x, F):
    def rule(y):
        return (jnp.roll(y, -1) - jnp.roll(y, 2)) * jnp.roll(y, 1) - y + F

    k1 = rule(x)
    k2 = rule(x + 0.5 * DT * k1)
    k3 = rule(x + 0.5 * DT * k2)
    k4 = rule(x + DT * k3)
    return x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _qr(V):
    Q, R = jnp.linalg.qr(V.T)
    return Q.T, jnp.log(jnp.abs(jnp.diag(R)))


def _gram_schmidt(V):
    """Row j is normalised, then projected out of the rows below it."""

    def one(j, carry):
        V, growth = carry
        length = jnp.sqrt(V[j] @ V[j])
        q = V[j] / length
        below = (jnp.arange(N) > j)[:, None]
        V = jnp.where(below, V - (V @ q)[:, None] * q, V).at[j].set(q)
        return V, growth.at[j].set(jnp.log(length))

    return jax.lax.fori_loop(0, N, one, (V, jnp.zeros(N)))
