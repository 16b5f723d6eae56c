"""Kernel differentiation of a noisy tanh map of 9 states over 50 steps, against NumPy and JAX; one core.

All draw their own noise, which is the largest part of the work. Before anything is timed NumPy must give our answer on
our noise; JAX, whose noise is its own, must agree within the errors.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import kernel_scores, numpy_noisy
from bench.timing import Contender

SECTION = "Y. Kernel differentiation"
WIDTH, STEPS, SHIFT, SIGMA, MEMBERS = 9, 50, 0.1, 0.5, 400_000
J = np.random.default_rng(11).standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH) * 2.0

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="kernel differentiation")


@fl.iterated_map(state=WIDTH, parameters={"g": SHIFT}, x0=np.zeros(WIDTH), noise=SIGMA)
def layers(t, x, p):
    return J @ fl.math.tanh(np.asarray(x) + p.g)


@fl.iterated_map(state=WIDTH, parameters={"g": SHIFT}, x0=np.zeros(WIDTH), noise=SIGMA)
def noise_alone(t, x, p):
    return [x[i] + p.g for i in range(WIDTH)]


def last(x, p):
    return fl.math.sum(np.asarray(x))


def ours(system, members, method=None, **options):
    """The gradient by the shift g."""
    how = dict(steps=STEPS, transient=0, threads=1, progress=False) | options
    return fl.gradient(system, fl.terminal(last), "g", members=members, method=method or fl.KernelDifferentiation(),
                       **how)  # fmt: skip


def test_agreement():
    few = 40
    made = numpy_noisy.counted(few)
    normals = np.array([made(step, WIDTH).T for step in range(STEPS)])
    g = ours(layers, few)
    found = kernel_scores.numpy_scores(J, SHIFT, SIGMA, few, STEPS, normals)
    np.testing.assert_allclose(found[0], g.gradient["g"], rtol=1e-9)


def test_against_numpy_and_jax(compare, book, sizes, absent):
    members = int(MEMBERS * sizes.scale)
    few = members // 8  # as quick for each of them, in a time that can be waited for
    others = [Contender("numpy", lambda: kernel_scores.numpy_scores(J, SHIFT, SIGMA, few, STEPS), float(few * STEPS))]
    generators = () if absent("jax") else ("threefry2x32", "rbg")
    for name in generators:
        run = kernel_scores.jax_scores(J, SHIFT, SIGMA, few, STEPS, name)
        value, error = run()
        g = ours(layers, few)
        assert abs(value - g.gradient["g"]) < 5 * np.hypot(error, g.stderr["g"])
        others.append(Contender(f"jax {name}", run, float(few * STEPS)))
    work = float(members * STEPS)
    us = Contender("fastlyap", lambda: ours(layers, members), work)
    noise = Contender("noise", lambda: ours(noise_alone, members), work)
    found = compare(us, *others, noise)
    label = f"tanh map of {WIDTH} states, {STEPS} steps"
    book.add(SECTION, f"{label}, rate", found.rate(us.name) / 1e6, unit="M member-steps/s")
    book.ratio(SECTION, f"{label}, against NumPy", found.ratio("numpy", us.name), aim=">= 5")
    if generators:
        best = found.best([f"jax {name}" for name in generators])
        note = f"the quickest of its generators, {best.split()[1]}"
        book.ratio(SECTION, f"{label}, against JAX", found.ratio(best, us.name), aim=">= 3", note=note)
    else:
        book.add(SECTION, f"{label}, against JAX", aim=">= 3", note=absent("jax"))
    share = found.ratio("noise", us.name)
    book.ratio(SECTION, f"{label}, share of the noise", share, note="the same with x' = x + g + noise")
