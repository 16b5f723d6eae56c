"""Kernel differentiation of a noisy tanh map in NumPy and JAX, all members of a batch at once.

x' = J tanh(x + g) + sigma b from x = 0; d E[sum x_N] / dg = E[(sum x_N - mean) sum of scores], the score of a step
being b' J (1 - tanh^2) / sigma. Both return the derivative and its standard error.
"""

import numpy as np

CHUNK = 2000  # members that stay in the cache together


def numpy_scores(J, g, sigma, members, steps, normals=None):
    """`normals` (steps, members, n) for the agreement, NumPy's own by default."""
    rng = np.random.default_rng(0)
    value, score = np.empty(members), np.empty(members)
    for first in range(0, members, CHUNK):
        part = slice(first, min(first + CHUNK, members))
        size = part.stop - first, len(J)
        x, total = np.zeros(size), np.zeros(size[0])
        for n in range(steps):
            b = rng.standard_normal(size) if normals is None else normals[n, part]
            h = np.tanh(x + g)
            x = h @ J.T
            h *= h
            total += np.einsum("ei,ei->e", 1.0 - h, b @ J)
            b *= sigma
            x += b
        value[part], score[part] = x.sum(axis=1), total / sigma
    return estimate(np, value, score)


def estimate(numpy, value, score):
    """Mean and standard error; each member is compared with the mean of the others."""
    members = len(value)
    gain = (value - value.mean()) * members / (members - 1)
    return numpy.mean(gain * score), numpy.std(gain * score) / np.sqrt(members)


def jax_scores(J, g, sigma, members, steps, generator):
    """A compiled function without arguments; `generator` is the name of one of JAX's."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    matrix = jnp.asarray(J)

    def step(carry, key):
        x, total = carry
        b = jax.random.normal(key, x.shape)
        h = jnp.tanh(x + g)
        total = total + jnp.sum((1.0 - h * h) * (b @ matrix), axis=1)
        return (h @ matrix.T + sigma * b, total), None

    @jax.jit
    def run(key):
        start = jnp.zeros((members, len(J))), jnp.zeros(members)
        (x, total), _ = jax.lax.scan(step, start, jax.random.split(key, steps))
        return estimate(jnp, x.sum(axis=1), total / sigma)

    key = jax.random.key(0, impl=generator)
    return lambda: [np.asarray(a) for a in run(key)]
