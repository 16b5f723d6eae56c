"""Kernel differentiation of a chain of noisy tanh layers in NumPy, the members of a block side by side.

y_l = tanh(y_(l-1) W + b) + s e, without tanh in the last layer; the loss is the sum of the outputs. A block's tape lies
in the cache; the noise comes from one generator for the whole block.
"""

import numpy as np


def block(weights, biases, x, sigma, noise):
    """(summed adjoints [W, b, W, b, ...], losses (R,)) of R members with this noise (N, R, n)."""
    states, slopes, y = [], [], np.broadcast_to(x, noise.shape[1:])
    last = len(weights) - 1
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        states.append(y)
        y = y @ W
        y += b
        if layer < last:
            np.tanh(y, out=y)
            slope = y * y
            np.subtract(1.0, slope, out=slope)
            slopes.append(slope)
        y = y + sigma * noise[layer]
    loss = y.sum(axis=1)
    gain = (loss - (loss.sum() - loss) / (len(loss) - 1)) / sigma
    found = []
    for layer, state in enumerate(states):
        handed = noise[layer] * gain[:, None]
        if layer < last:
            handed *= slopes[layer]
        found += [state.T @ handed, handed.sum(axis=0)]
    return found, loss


def gradient(weights, biases, x, sigma, members, size, seed=0):
    """Mean adjoints of `members` members, in blocks of `size`."""
    rng, total = np.random.default_rng(seed), None
    for _ in range(members // size):
        noise = rng.standard_normal((len(weights), size, x.shape[-1]))
        found, _ = block(weights, biases, x, sigma, noise)
        total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
    return [a / members for a in total]
