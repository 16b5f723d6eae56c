"""Orbits of cells on the plain path, with their derivatives by every weight, beside the same runs of `fl.gradient`."""

import numpy as np

import fastlyap as fl
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.noise import Noise
from fastlyap.reference.sensitivity import cells, orbit


def mean_square(x, p):
    return fl.math.mean(x[:] ** 2)


def odd(x, p):
    """An objective in which every state counts otherwise, and no symmetry helps."""
    return fl.math.sum([fl.math.sin(x[i]) * (1 + 0.3 * i) for i in range(len(x))]) + x[0] * x[1]


def dynamics(cell, drive=None, members=1, seed=0):
    """The cell as a rule of numbers, with its noise."""
    names = tuple(cell.parameters)
    flat = np.concatenate([np.ravel(cell.parameters[name]) for name in names])
    noise = None
    if cell.noise_count:
        V, size = cell.noise_directions, cell.shapes["noise_size"]

        def sizes(t, x, p):
            return [p.noise_size] if size == () else list(p.noise_size)

        noise = Noise(sizes, None if V is None else np.asarray(V), True, cell.noise_count, seed)
    inputs = None if drive is None else np.tile(drive, (members, 1, 1))
    return Dynamics(
        cells.rule(cell.architecture, inputs), np.tile(flat, (members, 1)), names,
        tuple(cell.shapes[name] for name in names), tuple(cell.state_names), noise=noise,
    )  # fmt: skip


def plain_orbit(cell, fn, *, steps, drive=None, members=1, seed=0, transient=0, x0=None):
    """The orbit, linearised by all parameters."""
    given = dynamics(cell, drive, members, seed)
    x = np.tile(cell.x0, (members, 1)) if x0 is None else x0
    return orbit.orbit(given, tuple(range(given.p.shape[1])), fn, x, steps=steps, transient=transient)


def flat(parts, count=None):
    """A dict of arrays by parameter in one row, or one for each member."""
    rows = [np.reshape(value, (-1,) if count is None else (count, -1)) for value in parts.values()]
    return np.concatenate(rows, axis=-1)
