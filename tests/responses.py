"""Systems whose derivatives of averages are known, for the tests of gradients."""

from dataclasses import dataclass

import numpy as np

from fastlyap import math as fm
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.noise import Noise

TURN = 2 * fm.pi


@dataclass(frozen=True)
class Table(Noise):
    """Noise whose normals (N, B, q) were drawn before: quicker than a generator for each member and step."""

    table: np.ndarray = None

    def normals(self, step, members):
        return self.table[step]


def table(random, steps, members, width, size, directions=None, additive=True):
    q = width if directions is None else directions.shape[1]
    return Table(size, directions, additive, q, 0, random.standard_normal((steps, members, q)))


def lorenz(t, x, p):
    return 10 * (x[1] - x[0]), x[0] * (p.rho - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]


def cat(t, x, p):
    """The cat map with a bump and followed by a shear, both of size 0 by default."""
    first = 2 * x[0] + x[1] + p.eps * fm.sin(TURN * x[0]) / TURN
    second = x[0] + x[1] + p.kappa * fm.sin(TURN * first) / TURN
    return fm.mod(first, 1), fm.mod(second, 1)


def cat_seen(t, x, p, a=0.3):
    """The same map with its shear alone in other coordinates: h cat h^-1, h(x, y) = (x + a sin(2 pi y) / 2 pi, y)."""
    first = x[0] - a * fm.sin(TURN * x[1]) / TURN
    along, up = 2 * first + x[1], first + x[1]
    up = up + p.kappa * fm.sin(TURN * along) / TURN
    return fm.mod(along + a * fm.sin(TURN * up) / TURN, 1), fm.mod(up, 1)


def difference(x, p):
    return fm.cos(TURN * (x[0] - x[1]))


def difference_seen(x, p, a=0.3):
    return fm.cos(TURN * (x[0] - a * fm.sin(TURN * x[1]) / TURN - x[1]))


CAT = {"eps": (-0.361803, 0.138197), "kappa": (0.223607, 0.223607)}  # shadowing and unstable part, exact


def tent(t, x, p):
    """The tent map of what the noise before left of the circle; its place on the circle is `position`."""
    here = fm.mod(x[0], 1)
    return [fm.where(here < 0.5, p.gamma * here, p.gamma * (1 - here))]


def position(x, p):
    return fm.mod(x[0], 1)


TENT = {2.0: -0.145153, 4.2: -0.060755}  # derivative of <position> with noise .1, by the transfer operator


def squeezed(t, x, p):
    """Case of a size of the noise that depends on state and parameter; one state."""
    return [fm.tanh(1.5 * x[0]) + p.gamma]


def squeezed_size(t, x, p):
    return [0.3 + 0.4 * p.theta / (1 + x[0] * x[0])]


SQUEEZED = (2.710964, 0.147622)  # derivatives of the mean of x_3^2 from x_0 = .2 by gamma = .3, theta = 1: quadrature

NET = np.random.default_rng(11).standard_normal((9, 9)) / 3 * 2.0


def net(t, x, p):
    """A noisy layer of 9 tanh units; parameters: a shift of all arguments, and the first row of the weights."""
    h = [fm.tanh(x[i] + p.g) for i in range(9)]
    rows = [sum(NET[i, j] * h[j] for j in range(9)) for i in range(9)]
    rows[0] = rows[0] + sum(p.first[j] * h[j] for j in range(9))
    return rows


def dynamics(rule, members, noise=None, **parameters):
    """A map's `Dynamics` of so many members with equal parameters."""
    flat = np.concatenate([np.ravel(value) for value in parameters.values()])
    shapes = tuple(np.shape(value) for value in parameters.values())
    return Dynamics(rule, np.tile(flat, (members, 1)), tuple(parameters), shapes, noise=noise)
