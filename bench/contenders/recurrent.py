"""The random network x' = g J tanh(x) by hand in NumPy, torch and JAX: k exponents, QR every few steps.

The frame is scaled before the product, so that no Jacobian is formed.
"""

import functools

import numpy as np

GAIN = 2.0


def network(n: int, members: int | None = None):
    """Our cell; `members` of them with different weights."""
    from fastlyap import networks

    return networks.random_rnn(n, GAIN, seed=0 if members is None else np.arange(members))


@functools.cache
def setting(n: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights g J, start and frame (n, k), the same for everybody."""
    from fastlyap.machines.average import initial_frame

    cell = network(n)
    return GAIN * cell.parameters["0.hidden"].T, cell.x0, np.ascontiguousarray(initial_frame(n, k, 0).T)


def with_numpy(n: int, k: int, steps: int, every: int) -> np.ndarray:
    """Exponents (k,)."""
    J, x, V = setting(n, k)
    total = np.zeros(k)
    for step in range(steps):
        y = np.tanh(x)
        V = J @ ((1.0 - y * y)[:, None] * V)
        x = J @ y
        if (step + 1) % every == 0:
            V, R = np.linalg.qr(V)
            total += np.log(np.abs(np.diag(R)))
    return total / steps


def with_torch(n: int, k: int, steps: int, every: int) -> np.ndarray:
    """Exponents (k,)."""
    import torch

    torch.set_num_threads(1)
    J, x, V = (torch.tensor(part) for part in setting(n, k))
    total = torch.zeros(k, dtype=torch.float64)
    with torch.no_grad():
        for step in range(steps):
            y = torch.tanh(x)
            V = J @ ((1.0 - y * y)[:, None] * V)
            x = J @ y
            if (step + 1) % every == 0:
                V, R = torch.linalg.qr(V)
                total += torch.log(torch.abs(torch.diagonal(R)))
    return (total / steps).numpy()


def with_jax(n: int, k: int, steps: int, every: int) -> np.ndarray:
    """Exponents (k,), under `jit` and `scan`."""
    return np.asarray(_compiled(n, k, steps, every)())


@functools.cache
def _compiled(n, k, steps, every):
    import jax
    import jax.numpy as jnp

    J, start, frame = (jnp.asarray(part) for part in setting(n, k))

    def step(carry, _):
        x, V = carry
        y = jnp.tanh(x)
        return (J @ y, J @ ((1.0 - y * y)[:, None] * V)), None

    def interval(carry, _):
        x, V, total = carry
        (x, V), _ = jax.lax.scan(step, (x, V), None, length=every)
        V, R = jnp.linalg.qr(V)
        return (x, V, total + jnp.log(jnp.abs(jnp.diag(R)))), None

    def run():
        return jax.lax.scan(interval, (start, frame, jnp.zeros(k)), None, length=steps // every)[0][2] / steps

    return jax.jit(run)


def product_and_svd(n: int, steps: int) -> np.ndarray:
    """Log singular values / T of the product of all Jacobians, formed in double precision, and its decomposition."""
    J, x, _ = setting(n, n)
    product = np.eye(n)
    for _ in range(steps):
        y = np.tanh(x)
        product = J @ ((1.0 - y * y)[:, None] * product)
        x = J @ y
    with np.errstate(divide="ignore"):
        return np.log(np.linalg.svd(product, compute_uv=True)[1]) / steps


def one_product(n: int, k: int):
    """The product of n x n weights with k vectors by this machine's BLAS; the work is in operations."""
    from bench.timing import Contender

    J, _, V = setting(n, k)
    rows, out = np.ascontiguousarray(V.T), np.empty((k, n))
    turns = max(1, int(4e8 / (n * n * k)))

    def run():
        for _ in range(turns):
            np.dot(rows, J.T, out=out)

    return Contender(f"dgemm {n} x {n} x {k}", run, 2.0 * n * n * k * turns)
