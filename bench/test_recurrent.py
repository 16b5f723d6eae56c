"""The chaotic random network: k exponents of n units, as a share of BLAS' rate and against programs by hand.

Operations of a step: 2 n^2 k of the product with the weights and, shared out over the interval, 2 n k^2 of
Gram-Schmidt, the fewest that do; programs that factor by reflections take twice as many.
"""

import functools
import time

import numpy as np
import pytest

import fastlyap as fl
from bench import agreement, environment
from bench.contenders import recurrent
from bench.timing import Contender
from bench.workloads import exponents
from fastlyap.hardware import one_blas_thread

SECTION = "R. Recurrent networks"
FEW = 6  # steps over which all exponents are still numbers in every program
PEERS = {"NumPy": ("numpy", recurrent.with_numpy), "torch": ("torch", recurrent.with_torch),
         "JAX": ("jax", recurrent.with_jax)}  # fmt: skip

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="recurrent")


def ours(n, k, steps, every, **options):
    """Work in steps."""
    cell = recurrent.network(n)
    run = functools.partial(exponents, cell, k=k, steps=steps, every=every, **options)
    return Contender(f"every={every}", run, float(steps))


def steps_of(n, k, every, scale):
    """Some seconds' worth, whole intervals."""
    return every * max(4, int(2e10 * scale / (n * k * (n + 2 * k / every)) / every))


@pytest.mark.parametrize("n,k,every,aim", [
    (200, 200, 1, ">= 0.75"), (200, 200, 2, ">= 0.75"), (200, 50, 10, ">= 0.75"), (1000, 50, 10, ""),
])  # fmt: skip
def test_share_of_blas(n, k, every, aim, compare, book, sizes):
    us = ours(n, k, steps_of(n, k, every, sizes.scale), every)
    with one_blas_thread():
        found = compare(us, limit := recurrent.one_product(n, k))
    operations = 2.0 * n * k * (n + k / every)
    share = found.ratio(limit.name, us.name)
    label = f"n = {n}, k = {k}, every = {every}, share of the rate of one {n} x {n} x {k} product"
    note = f"{1e6 * found.per_unit(us.name):.4g} us per step, {operations * found.rate(us.name) / 1e9:.3g} GF/s"
    book.add(
        SECTION, label, share.value * operations, unit="x", low=share.low * operations, high=share.high * operations,
        aim=aim, note=note,
    )  # fmt: skip


AIMS = {("NumPy", 200): ">= 2", ("torch", 200): ">= 1.5", ("JAX", 200): ">= 1.5",
        ("torch", 1000): ">= 0.95", ("NumPy", 1000): ">= 2"}  # fmt: skip


@pytest.mark.parametrize("n,k,every,names", [
    (200, 200, 1, ("NumPy", "torch", "JAX")), (1000, 50, 1, ("NumPy", "torch")), (1000, 50, 10, ("NumPy", "torch")),
])  # fmt: skip
def test_against_programs_by_hand(n, k, every, names, compare, book, sizes, absent):
    steps = steps_of(n, k, every, 0.5 * sizes.scale)
    us, others = ours(n, k, steps, every), []
    with one_blas_thread():
        for name in names:
            package, run = PEERS[name]
            reason = "" if package == "numpy" else absent(package)
            label = f"n = {n}, k = {k}, every = {every}, against {name}"
            if reason:
                book.add(SECTION, label, aim=AIMS[name, n], note=reason)
                continue
            wanted = exponents(recurrent.network(n), k=k, steps=FEW * every, every=every)
            agreement.in_sum(run(n, k, FEW * every, every), wanted)
            others.append(Contender(name, functools.partial(run, n, k, steps, every), float(steps)))
        found = compare(us, *others)
    for other in others:
        label = f"n = {n}, k = {k}, every = {every}, against {other.name}"
        note = f"{1e6 * found.per_unit(us.name):.4g} and {1e6 * found.per_unit(other.name):.4g} us per step"
        aim = AIMS[other.name, n] if every == 1 or n == 1000 else ""
        book.ratio(SECTION, label, found.ratio(other.name, us.name), aim=aim, note=note)


def test_sixteen_networks_on_two_threads(compare, book, sizes):
    label = "16 networks of 200 units at once, two threads against one, share of twice the speed"
    if len(environment.CORES) < 2:
        book.add(SECTION, label, aim=">= 0.9", note="one core only")
        pytest.skip("one core only")
    cell, steps = recurrent.network(200, 16), max(4, int(100 * sizes.scale))
    environment.use_cores(2)
    try:
        run = functools.partial(exponents, cell, steps=steps, every=1)
        one, two = (Contender(f"{n} threads", functools.partial(run, threads=n), 1.0) for n in (1, 2))
        found = compare(two, one, clock=time.perf_counter)
    finally:
        environment.use_cores(1)
    speed = found.ratio(one.name, two.name)
    book.add(SECTION, label, speed.value / 2, unit="x", low=speed.low / 2, high=speed.high / 2, aim=">= 0.9",
             note="wall time")  # fmt: skip


def test_finite_time_exponents(compare, book, sizes):
    """60 steps of 64 units, all exponents to 1e-10, in units of the product of the Jacobians and its SVD."""
    n, steps = 64, 60
    cell = recurrent.network(n)
    run = functools.partial(fl.finite_time, cell, steps=steps, threads=1, progress=False)
    found, formed = run(), recurrent.product_and_svd(n, steps)
    assert found.status == fl.Status.OK
    turns = 5
    us = Contender("finite_time", lambda: [run() for _ in range(turns)], float(turns))
    plain = Contender(
        "product and SVD", lambda: [recurrent.product_and_svd(n, steps) for _ in range(10 * turns)], 10.0 * turns
    )
    with one_blas_thread():
        timed = compare(us, plain)
    wrong = steps * np.abs(found.exponents - formed).max()
    note = f"the product's SVD is wrong by {wrong:.3g} nats"
    label = f"finite-time exponents, {steps} steps of {n} units, cost over the product's and its SVD's"
    book.ratio(SECTION, label, timed.ratio(us.name, plain.name), aim="<= 12", note=note)
