"""Kernel differentiation of a chain of noisy tanh layers in JAX, compiled, on one thread; see `numpy_noisy_layers`."""

import jax
import jax.numpy as jnp


def _block(weights, biases, x, sigma, noise):
    states, slopes, y = [], [], jnp.broadcast_to(x, noise.shape[1:])
    last = len(weights) - 1
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        states.append(y)
        y = y @ W + b
        if layer < last:
            y = jnp.tanh(y)
            slopes.append(1.0 - y * y)
        y = y + sigma * noise[layer]
    return _scores(jnp.stack(states), jnp.stack([*slopes, jnp.ones_like(y)]), noise, y.sum(axis=1), sigma)


def _scores(states, slopes, noise, loss, sigma):
    gain = (loss - (loss.sum() - loss) / (len(loss) - 1)) / sigma
    handed = noise * gain[:, None] * slopes
    return jnp.einsum("lri,lrj->lij", states, handed), handed.sum(axis=1)


def _scanned(W, b, x, sigma, noise):
    """The same as a `scan` over layers."""
    flat = jnp.arange(len(W)) == len(W) - 1

    def layer(y, given):
        W, b, e, last = given
        z = y @ W + b
        f = jnp.where(last, z, jnp.tanh(z))
        return f + sigma * e, (y, jnp.where(last, 1.0, 1.0 - f * f))

    y, (states, slopes) = jax.lax.scan(layer, jnp.broadcast_to(x, noise.shape[1:]), (W, b, noise, flat))
    return _scores(states, slopes, noise, y.sum(axis=1), sigma)


def block(weights, biases, x, sigma, noise, scan):
    """Summed adjoints (layers, n, n) and (layers, n) of members with this noise (N, R, n)."""
    W, b = [jnp.asarray(w) for w in weights], [jnp.asarray(v) for v in biases]
    if scan:
        return jax.jit(_scanned)(jnp.stack(W), jnp.stack(b), jnp.asarray(x), sigma, jnp.asarray(noise))
    return jax.jit(_block)(W, b, jnp.asarray(x), sigma, jnp.asarray(noise))


def gradient(weights, biases, x, sigma, members, size, *, scan, generator):
    """A function that gives mean adjoints of `members` members, in blocks of `size`; `generator` of random numbers."""
    W, b = [jnp.asarray(w) for w in weights], [jnp.asarray(v) for v in biases]
    if scan:
        W, b = jnp.stack(W), jnp.stack(b)
    x, one = jnp.asarray(x), _scanned if scan else _block

    def some(total, key):
        noise = jax.random.normal(key, (len(weights), size, x.shape[-1]))
        return jax.tree.map(jnp.add, total, one(W, b, x, sigma, noise)), None

    @jax.jit
    def run(key):
        shape = (len(weights), x.shape[-1], x.shape[-1])
        start = jnp.zeros(shape), jnp.zeros(shape[:2])
        total, _ = jax.lax.scan(some, start, jax.random.split(key, members // size))
        return jax.tree.map(lambda a: a / members, total)

    key = jax.random.key(0, impl=generator)
    return lambda: jax.block_until_ready(run(key))
