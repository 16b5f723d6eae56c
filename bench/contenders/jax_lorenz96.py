"""Lorenz 96 by hand in JAX: scan over steps, in several forms; which is the fastest depends on XLA's mood.

Tangents by `jax.linearize` of a rule with `jnp.roll`, or written out with index arrays; members side by side by
`vmap` or one after another by `lax.map`; `linalg.qr` or Gram-Schmidt.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from bench.workloads import DT, EVERY, frame, lorenz96

N = 40
AHEAD, BEHIND, FAR = (np.arange(N) + 1) % N, np.arange(N) - 1, np.arange(N) - 2
FORMS = ("linearize", "indexed", "indexed, Gram-Schmidt", "indexed, one by one")


def spectra(forcing: np.ndarray, steps: int, form: str) -> np.ndarray:
    """Exponents (members, N)."""
    return np.asarray(_compiled(steps, form)(jnp.asarray(forcing)))


@functools.cache
def _compiled(steps, form):
    step = _step_by_linearize if form == "linearize" else _step_by_hand
    orthonormalise = _gram_schmidt if "Gram" in form else _qr

    def one(F):
        def interval(carry, _):
            x, V, total = carry
            (x, V), _ = jax.lax.scan(lambda c, _: (step(*c, F), None), (x, V), None, length=EVERY)
            V, growth = orthonormalise(V)
            return (x, V, total + growth), None

        begin = (jnp.array(lorenz96(N).x0), jnp.array(frame(N).T), jnp.zeros(N))
        (_, _, total), _ = jax.lax.scan(interval, begin, None, length=steps // EVERY)
        return total / (steps * DT)

    return jax.jit(functools.partial(jax.lax.map, one) if "one by one" in form else jax.vmap(one))


def _runge_kutta(rule, x):
    k1 = rule(x)
    k2 = rule(_moved(x, 0.5 * DT, k1))
    k3 = rule(_moved(x, 0.5 * DT, k2))
    k4 = rule(_moved(x, DT, k3))
    return jax.tree.map(lambda x, a, b, c, d: x + DT / 6 * (a + 2 * b + 2 * c + d), x, k1, k2, k3, k4)


def _moved(x, h, k):
    return jax.tree.map(lambda x, k: x + h * k, x, k)


def _step_by_linearize(x, V, F):
    def rule(y):
        return (jnp.roll(y, -1) - jnp.roll(y, 2)) * jnp.roll(y, 1) - y + F

    x, tangent = jax.linearize(functools.partial(_runge_kutta, rule), x)
    return x, jax.vmap(tangent, -1, -1)(V)


def _step_by_hand(x, V, F):
    def rule(state):
        y, V = state
        slope, before = y[AHEAD] - y[FAR], y[BEHIND]
        return slope * before - y + F, before[:, None] * (V[AHEAD] - V[FAR]) + slope[:, None] * V[BEHIND] - V

    return _runge_kutta(rule, (x, V))


def _qr(V):
    V, R = jnp.linalg.qr(V)
    return V, jnp.log(jnp.abs(jnp.diag(R)))


def _gram_schmidt(V):
    """Column j is normalised, then projected out of the columns after it."""

    def one(j, carry):
        V, growth = carry
        length = jnp.sqrt(V[:, j] @ V[:, j])
        q = V[:, j] / length
        V = jnp.where(jnp.arange(N) > j, V - q[:, None] * (q @ V), V).at[:, j].set(q)
        return V, growth.at[j].set(jnp.log(length))

    return jax.lax.fori_loop(0, N, one, (V, jnp.zeros(N)))
