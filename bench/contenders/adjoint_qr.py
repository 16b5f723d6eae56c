"""Covectors of x' = J tanh(x) pulled back and orthonormalised at every step, in NumPy, PyTorch and JAX, members last.

The orbit is kept. Orthonormalisation is the package's batched QR, or Gram-Schmidt written over all members at once,
which is the faster one for small matrices. All return the mean of log r_ii over the steps, (k, members).
"""

import numpy as np


def start(n, k):
    """The covectors at the end, (k, n)."""
    return np.linalg.qr(np.random.default_rng(1).standard_normal((n, k)))[0].T


def gram_schmidt(xp, W):
    """Orthonormal covectors and log r_ii of W (k, n, members); nothing is written in place."""
    done, logs = [], []
    for _ in range(W.shape[0]):
        r = xp.sqrt((W[0] * W[0]).sum(0))
        q = W[0] / r
        done.append(q)
        logs.append(xp.log(r))
        W = W[1:] - (W[1:] * q).sum(1)[:, None] * q
    return xp.stack(done), xp.stack(logs)


def batched_qr(xp, W):
    """The same by the package's QR."""
    Q, R = xp.linalg.qr(xp.moveaxis(W, 2, 0).swapaxes(1, 2))
    return xp.moveaxis(Q.swapaxes(1, 2), 0, 2), xp.log(xp.abs(xp.moveaxis(xp.diagonal(R, 0, 1, 2), 0, 1)))


def run(xp, orthonormalise, J, x, W, steps):
    """In NumPy or PyTorch; x (n, members), W (k, n, members)."""
    slopes = []
    for _ in range(steps):
        h = xp.tanh(x)
        slopes.append(1.0 - h * h)
        x = J @ h
    total = 0.0
    for slope in reversed(slopes):
        W, logs = orthonormalise(xp, slope * (J.T @ W))
        total = total + logs
    return total / steps


def jax_run(orthonormalise, J, x, W, steps):
    """A compiled function without arguments."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    J, x, W = (jnp.asarray(a) for a in (J, x, W))

    def ahead(x, _):
        h = jnp.tanh(x)
        return J @ h, 1.0 - h * h

    def back(W, slope):
        return orthonormalise(jnp, slope * (J.T @ W))

    @jax.jit
    def both(x, W):
        _, slopes = jax.lax.scan(ahead, x, None, length=steps)
        return jax.lax.scan(back, W, slopes, reverse=True)[1].mean(0)

    return lambda: np.asarray(both(x, W))
