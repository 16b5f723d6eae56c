"""Lorenz 63 by hand in JAX: vmap over members, scan over steps, tangents by `jax.linearize`.

Three forms: components as scalars with Gram-Schmidt (XLA fuses a whole step into one loop over members; the
fastest), and arrays with Gram-Schmidt or with `linalg.qr`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from bench.workloads import DT, EVERY, frame, lorenz63

FORMS = ("components", "arrays", "arrays, qr")


def spectra(rho: np.ndarray, steps: int, form: str) -> np.ndarray:
    """Exponents (members, 3)."""
    return np.asarray(_compiled(steps, form)(jnp.asarray(rho)))


@functools.cache
def _compiled(steps, form):
    step = _step_of_components if form == "components" else _step_of_arrays
    orthonormalise = {"components": _gram_schmidt, "arrays": _gram_schmidt_of_arrays, "arrays, qr": _qr}[form]

    def one(rho):
        def advance(carry, _):
            x, V = carry
            x, tangent = jax.linearize(lambda y: step(y, rho), x)
            return (x, tuple(tangent(v) for v in V) if form == "components" else jax.vmap(tangent)(V)), None

        def interval(carry, _):
            x, V, total = carry
            (x, V), _ = jax.lax.scan(advance, (x, V), None, length=EVERY)
            V, growth = orthonormalise(V)
            return (x, V, total + growth), None

        x, V = jnp.array(lorenz63.x0), jnp.array(frame(3))
        if form == "components":
            x, V = tuple(x), tuple(map(tuple, V))
        (_, _, total), _ = jax.lax.scan(interval, (x, V, jnp.zeros(3)), None, length=steps // EVERY)
        return total / (steps * DT)

    return jax.jit(jax.vmap(one))


def _rule(x, rho):
    return 10.0 * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]


def _step_of_arrays(x, rho):
    k1 = jnp.stack(_rule(x, rho))
    k2 = jnp.stack(_rule(x + 0.5 * DT * k1, rho))
    k3 = jnp.stack(_rule(x + 0.5 * DT * k2, rho))
    k4 = jnp.stack(_rule(x + DT * k3, rho))
    return x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _step_of_components(x, rho):
    def moved(h, k):
        return tuple(a + h * b for a, b in zip(x, k, strict=True))

    k1 = _rule(x, rho)
    k2 = _rule(moved(0.5 * DT, k1), rho)
    k3 = _rule(moved(0.5 * DT, k2), rho)
    k4 = _rule(moved(DT, k3), rho)
    return tuple(a + DT / 6 * (b + 2 * c + 2 * d + e) for a, b, c, d, e in zip(x, k1, k2, k3, k4, strict=True))


def _gram_schmidt(V):
    """Vectors as tuples of scalars."""
    unit, growth = [], []
    for v in V:
        for q in unit:
            s = sum(a * b for a, b in zip(q, v, strict=True))
            v = tuple(b - s * a for a, b in zip(q, v, strict=True))
        length = jnp.sqrt(sum(a * a for a in v))
        unit.append(tuple(a / length for a in v))
        growth.append(jnp.log(length))
    return tuple(unit), jnp.stack(growth)


def _gram_schmidt_of_arrays(V):
    unit, growth = _gram_schmidt(tuple(V))
    return jnp.stack([jnp.stack(v) for v in unit]), growth


def _qr(V):
    Q, R = jnp.linalg.qr(V.T)
    return Q.T, jnp.log(jnp.abs(jnp.diag(R)))
