"""A tanh network x' = g J tanh(x) by hand in NumPy and in JAX: its full Jacobian, all exponents, QR every few steps."""

import functools

import numpy as np

from bench.workloads import frame, weights

GAIN = 2.0


def with_numpy(n: int, steps: int, every: int) -> np.ndarray:
    """Exponents (n,); scale columns, one product, `linalg.qr`."""
    J, V = GAIN * weights(n), frame(n).T
    x, total = start(n), np.zeros(n)
    for step in range(steps):
        y = np.tanh(x)
        V = (J * (1 - y * y)) @ V
        x = J @ y
        if (step + 1) % every == 0:
            V, R = np.linalg.qr(V)
            total += np.log(np.abs(np.diag(R)))
    return total / steps


def with_jax(n: int, steps: int, every: int) -> np.ndarray:
    """Exponents (n,); the same under `jit` and `scan`."""
    return np.asarray(_compiled(n, steps, every)())


@functools.cache
def _compiled(n, steps, every):
    import jax
    import jax.numpy as jnp

    J = jnp.asarray(GAIN * weights(n))

    def step(carry, _):
        x, V = carry
        y = jnp.tanh(x)
        return (J @ y, (J * (1 - y * y)) @ V), None

    def interval(carry, _):
        x, V, total = carry
        (x, V), _ = jax.lax.scan(step, (x, V), None, length=every)
        V, R = jnp.linalg.qr(V)
        return (x, V, total + jnp.log(jnp.abs(jnp.diag(R)))), None

    def run():
        begin = (jnp.asarray(start(n)), jnp.asarray(frame(n).T), jnp.zeros(n))
        return jax.lax.scan(interval, begin, None, length=steps // every)[0][2] / steps

    return jax.jit(run)


def start(n: int) -> np.ndarray:
    """Where everybody starts."""
    return np.sin(np.arange(1.0, n + 1) ** 2)


def product(n: int):
    """The n x n times n x n product of this machine's BLAS; the work is in products."""
    from bench.timing import Contender

    A, B, C = weights(n), weights(n) + 1.0, np.empty((n, n))
    turns = max(1, int(2e8 / n**3))

    def run():
        for _ in range(turns):
            np.dot(A, B.T, out=C)

    return Contender(f"one product of {n} x {n}", run, turns)
