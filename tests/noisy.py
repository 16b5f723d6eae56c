"""Systems with noise of every kind, for the tests."""

import numpy as np

import fastlyap as fl

MIXED = np.array([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]])


def pendulum(noise, directions=None, **more):
    """A driven, damped pendulum whose time and parameter enter the noise as well."""

    @fl.flow(
        state="q v", parameters={"damping": 0.2, "s": 0.4}, x0=(1.0, 0.3), dt=0.05, noise=noise,
        noise_directions=directions, **more,
    )  # fmt: skip
    def pendulum(t, x, p):
        return x.v, -fl.math.sin(x.q) - p.damping * x.v + fl.math.cos(t)

    return pendulum


def two_maps(noise, directions=None):
    """A smooth map of the plane."""

    @fl.iterated_map(
        state="x y", parameters={"a": 1.2, "s": 0.1}, x0=(0.1, 0.2), noise=noise, noise_directions=directions
    )
    def two_maps(t, x, p):
        return fl.math.cos(p.a * x.x) + 0.3 * x.y, fl.math.sin(x.x - x.y)

    return two_maps


def diagonal(t, x, p):
    return p.s * (1 + 0.3 * x[0] * x[1]), 0.2 * fl.math.sin(x[0]) + 0.1 * fl.math.cos(t)


CASES = {  # name: (system, integrator)
    "map, additive": (fl.systems.henon().with_noise(1e-3), None),
    "map, diagonal, mixed": (two_maps(diagonal, MIXED), None),
    "map, one direction": (two_maps("s", MIXED[:, :1]), None),
    "matrices": (fl.systems.random_matrix_product(3), None),
    "many matrices": (fl.systems.random_matrix_product(10), None),
    "flow, additive, rk4": (pendulum("s"), "rk4"),
    "flow, additive, heun": (pendulum("s", MIXED), None),
    "flow, sizes in time, rk4": (pendulum(lambda t, x, p: (p.s, 0.1 + 0.1 * fl.math.sin(t)), MIXED), "rk4"),
    "flow, multiplicative, euler": (pendulum(lambda t, x, p: p.s * x.q), "euler"),
    "flow, diagonal, euler": (pendulum(diagonal, MIXED), "euler"),
    "flow, diagonal, heun": (pendulum(diagonal), "heun_sde"),
    "ring, euler": (fl.systems.stochastic_lorenz96(10), None),
    "ring, rk4": (fl.systems.lorenz96(10).with_noise(0.1 * np.arange(10), np.eye(10)[:, ::2]), "rk4"),
    "ring, heun": (fl.systems.lorenz96(10).with_noise(0.5, np.ones((10, 1))), "heun_sde"),
}
SMALL = [name for name, (system, _) in CASES.items() if system.dim <= 3]


def starts(system, members):
    """States near the default one."""
    return system.x0 + 0.1 * np.random.default_rng(5).standard_normal((members, system.dim)) * (np.abs(system.x0) + 0.1)
