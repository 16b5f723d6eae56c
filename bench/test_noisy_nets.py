"""Kernel differentiation of a noisy tanh network, 9 wide and 50 layers deep: all weights and biases, noise included.

A unit is one number of one layer of one member. Ours is the whole call with its standard errors; the others give means.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import numpy_noisy_layers
from bench.timing import Contender
from fastlyap.networks import mlp
from fastlyap.reference.noise import sequence

SECTION = "X. Gradients of noisy networks"
WIDTH, DEPTH, SIGMA = 9, 50, 0.6
TOTAL = fl.loss.terminal(lambda y: fl.math.sum(y[i] for i in range(WIDTH)))
X = np.random.default_rng(0).standard_normal((1, WIDTH))

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="noisy nets")


def network():
    """The network, without noise."""
    return mlp((WIDTH,) * (DEPTH + 1), "tanh", gain=2.0, bias=0.1, seed=6)


def ours(net, members, method=None):
    """A call of `fl.gradient` by all weights and biases."""
    wrt = [name for name in net.parameters if name != "noise_size"]
    method = method or fl.KernelDifferentiation()
    return fl.gradient(net, TOTAL, wrt, X, method=method, members=members, threads=1)


def agree(net, weights, biases, jax):
    """The same noise, 16 members: the same mean gradient from everybody."""
    noise = np.array([sequence(0, e, 0, DEPTH * WIDTH).reshape(DEPTH, WIDTH) for e in range(16)]).swapaxes(0, 1)
    expected = list(ours(net, 16).gradient.values())
    found, _ = numpy_noisy_layers.block(weights, biases, X, SIGMA, noise)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a / 16, b, rtol=1e-9, atol=1e-12)
    for scan in (False, True) if jax else ():
        W, b = jax.block(weights, biases, X, SIGMA, noise, scan)
        np.testing.assert_allclose(W / 16, np.array(expected[::2]), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(b / 16, np.array(expected[1::2]), rtol=1e-9, atol=1e-12)


def test_kernel_differentiation(compare, book, sizes, absent):
    jax = None
    if not absent("jax"):
        from bench.contenders import jax_noisy_layers as jax

    plain, members = network(), 10 * sizes.members // 1024 * 1024
    net, values = plain.with_noise(SIGMA), list(plain.parameters.values())
    weights, biases = values[::2], values[1::2]
    agree(net, weights, biases, jax)
    units, rows = members * WIDTH * DEPTH, np.repeat(X, members // 8, axis=0)
    them = [Contender(f"numpy, blocks of {size}", lambda size=size: numpy_noisy_layers.gradient(
        weights, biases, X, SIGMA, members // 4, size), units // 4) for size in (256, 1024)]  # fmt: skip
    if jax:
        for generator in ("threefry2x32", "rbg"):
            for scan in (False, True):
                run = jax.gradient(weights, biases, X, SIGMA, members // 4, 256, scan=scan, generator=generator)
                them.append(Contender(f"jax, {generator}, {'scan' if scan else 'unrolled'}", run, units // 4))
    us = Contender("fastlyap", lambda: ours(net, members), units)
    path = Contender("path-kernel", lambda: ours(net, members, fl.PathKernel(0.6)), units)
    noisy = Contender("forward, noisy", lambda: net.forward(rows, threads=1), units // 8)
    quiet = Contender("forward", lambda: plain.forward(rows, threads=1), units // 8)
    found = compare(us, path, noisy, quiet, *them)
    names = [one.name for one in them]
    drawn = found.per_unit("forward, noisy") - found.per_unit("forward")
    rate = found.per_unit(us.name)
    book.add(SECTION, "kernel differentiation, time of a unit", rate * 1e9, unit="ns",
             note=f"{drawn * 1e9:.2g} ns of it, {100 * drawn / rate:.0f} %, are the noise")  # fmt: skip
    book.ratio(SECTION, "path-kernel, time over kernel differentiation", found.ratio(path.name, us.name))
    for package, aim in (("numpy", ">= 5"), ("jax", ">= 3")):
        forms = [name for name in names if name.startswith(package)]
        if forms:
            best = found.best(forms)
            note = f"{best}, {1e9 * found.per_unit(best):.3g} ns for a unit; means only"
            book.ratio(SECTION, f"against {package}", found.ratio(best, us.name), aim=aim, note=note)
        else:
            book.add(SECTION, f"against {package}", aim=aim, note=absent(package))
