"""A network in which all depends on all: full Jacobians, all exponents of one orbit, a reorthonormalisation a step."""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench import agreement
from bench.contenders import full_jacobian
from bench.timing import Contender
from bench.workloads import exponents, weights
from fastlyap.hardware import one_blas_thread

SECTION = "8. Full Jacobians: a tanh network, all exponents of one orbit"
FEW = 6  # steps over which all exponents are still numbers in every program

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="full Jacobian")


def network(n):
    J = weights(n)

    @fl.iterated_map(state=n, parameters=dict(g=full_jacobian.GAIN), x0=full_jacobian.start(n), name=f"network_{n}")
    def rule(t, x, p):
        y = [fl.math.tanh(x[i]) for i in range(n)]
        return [p.g * fl.math.sum([J[i, j] * y[j] for j in range(n)]) for i in range(n)]

    return rule


@pytest.mark.parametrize("n,every", [(64, 1), (160, 1), (160, 3)])
def test_one_orbit(n, every, compare, book, sizes, absent):
    system, steps = network(n), every * max(4, int(2e9 * sizes.scale / n**3 / every))
    with one_blas_thread():
        ours = exponents(system, steps=FEW * every, every=every)
        agreement.in_sum(full_jacobian.with_numpy(n, FEW * every, every), ours)
        us = Contender("fastlyap", lambda: exponents(system, steps=steps, every=every), steps)
        numpy = Contender("NumPy", lambda: full_jacobian.with_numpy(n, steps, every), steps)
        others, reason = [numpy], absent("jax")
        if not reason:
            agreement.in_sum(full_jacobian.with_jax(n, FEW * every, every), ours)
            others.append(Contender("JAX", lambda: full_jacobian.with_jax(n, steps, every), steps))
        limit = full_jacobian.product(n)
        found = compare(us, *others, limit)
    label = f"{n} states, every={every}"
    book.add(SECTION, f"{label}, rate", found.rate(us.name), unit="steps/s")
    note = "the products with the Jacobian alone are 1; Gram-Schmidt and the determinant come on top"
    book.ratio(SECTION, f"{label}, time in units of one {n} x {n} product", found.ratio(us.name, limit.name), note=note)
    for other in others:
        book.ratio(SECTION, f"{label}, against {other.name}", found.ratio(other.name, us.name))
    if reason:
        book.add(SECTION, f"{label}, against JAX", note=reason)
    assert np.isfinite(ours).all()
