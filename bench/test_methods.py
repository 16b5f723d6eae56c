"""Discrete and continuous methods, QR and SVD, all in plain NumPy: cost of a step, and cost at equal error.

The error is that of finite-time exponents over two units of time, against the same quantities from steps eight times
smaller. All methods step by rk4, so that an error `r` times larger takes steps r^(1/4) times smaller to equal.
"""

import functools
import time

import numpy as np
import pytest

from bench.timing import Contender
from bench.workloads import DT, frame
from fastlyap.reference import methods
from fastlyap.reference.dynamics import Dynamics

SECTION = "M. Methods for exponents, plain NumPy, Lorenz 63"
STEPS = 200

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="methods")


def rule(t, x, p):
    return 10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]


def of_frame(members, refine=1, way=methods.discrete_qr, **options):
    return way(*_flow(members, refine), frame(3), steps=STEPS * refine, **options)


def of_product(members, refine=1, way=methods.discrete_svd, **options):
    if way is methods.continuous_svd:
        options["start"] = STEPS * refine // 10
    return way(*_flow(members, refine), steps=STEPS * refine, **options)


def _flow(members, refine):
    x = np.array([1.0, 1.0, 25.0]) + np.random.default_rng(0).normal(size=(members, 3))
    return Dynamics(rule, np.zeros((members, 0)), integrator="rk4", dt=DT / refine), x


continuous = functools.partial(of_frame, way=methods.continuous_qr)
WAYS = {  # name: (runs it, whose limit it has)
    "discrete QR, modified Gram-Schmidt": (functools.partial(of_frame, factorise=methods.modified), of_frame),
    "discrete QR, reflections": (of_frame, of_frame),
    "discrete QR, reflections, every 10 steps": (functools.partial(of_frame, every=10), of_frame),
    "discrete SVD, 8 sweeps": (functools.partial(of_product, sweeps=8), of_product),
    "continuous QR": (continuous, of_frame),
    "continuous QR, projected": (functools.partial(continuous, project=True), of_frame),
    "continuous QR, damped": (functools.partial(continuous, form="projection", damping=20.0), of_frame),
    "continuous SVD": (functools.partial(of_product, way=methods.continuous_svd), of_product),
}


def error_of(way, limit):
    options = dict(sweeps=8) if limit is of_product else {}
    exact = limit(32, 8, every=8, **options).exponents
    return np.abs(np.sort(way(32).exponents) - np.sort(exact)).max()


def test_methods(compare, book, sizes):
    members = int(256 * sizes.scale)
    run = [Contender(name, functools.partial(way, members), STEPS * members) for name, (way, _) in WAYS.items()]
    found = compare(*run)
    first = run[0].name
    errors = {name: error_of(*ways) for name, ways in WAYS.items()}
    book.add(SECTION, f"{first}, rate", found.rate(first) / 1e3, unit="k member-steps/s", note=f"{members} members")
    for name, (way, _) in list(WAYS.items())[1:]:
        ratio = found.ratio(name, first)
        equal = ratio.value * max(errors[name] / errors[first], 1.0) ** 0.25
        note = f"error {errors[name]:.1e} against {errors[first]:.1e}, so {equal:.3g} x at equal error"
        book.ratio(SECTION, f"{name}, cost of a step", ratio, note=f"{note}; defect {way(32).defect.max():.0e}")
