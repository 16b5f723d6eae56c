"""Feedforward networks: forward and backward passes, one network and many side by side.

Every contender must give our gradients first. PyTorch, JAX and NumPy run on one thread, as we do; work that a call has
to do before it computes (checks, tables, building a graph) counts for everybody.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import numpy_layers
from bench.timing import Contender
from fastlyap.networks import mlp

SECTION = "W. Feedforward networks"
RATE = 0.1
BATCHES = (1, 8, 32, 128)

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="layers")


def data(samples, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((samples, width)), rng.integers(0, 10, samples)


def same(found, expected):
    """Gradients of all parameters, in order."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


def repeated(name, run, times):
    """`times` runs, which are its work."""

    def all_of_them():
        for _ in range(times):
            run()

    return Contender(name, all_of_them, times)


def others(parameters, x, labels, absent, expected, repeats):
    """NumPy and the packages that are here, all of them in agreement with us."""
    same(numpy_layers.gradients(parameters, x, labels), expected)
    found = {"numpy": lambda: numpy_layers.gradients(parameters, x, labels)}
    if not absent("torch"):
        from bench.contenders import torch_layers

        found["torch"] = torch_layers.gradients(parameters, x, labels)
        same(torch_layers.as_numpy(found["torch"]()), expected)
    if not absent("jax"):
        from bench.contenders import jax_layers

        found["jax"] = jax_layers.gradients(parameters, x, labels)
        same(found["jax"](), expected)
        if labels is None:
            found["jax, scan"] = jax_layers.scanned(parameters, x)
    return {name: repeated(name, run, repeats) for name, run in found.items()}


def note_ratios(book, found, ours, names, label, aims, absent):
    """A row for each of them; the best form of a package counts."""
    for package, aim in aims.items():
        forms = [name for name in names if name.split(",")[0] == package]
        if not forms:
            book.add(SECTION, f"{label}, against {package}", aim=aim, note=absent(package))
            continue
        best = found.best(forms)
        note = f"{1e6 * found.per_unit(best):.0f} us against {1e6 * found.per_unit(ours):.0f} us"
        book.ratio(SECTION, f"{label}, against {package}", found.ratio(best, ours), aim=aim, note=note)


def test_a_batch_of_digits(compare, book, sizes, absent):
    """784-50-10, tanh, cross-entropy, 128 samples: loss and gradient of all weights."""
    net = mlp((784, 50, 10))
    x, labels = data(128, 784)
    loss, repeats = fl.loss.cross_entropy(labels), max(3, int(100 * sizes.scale))
    parameters = [np.array(p) for p in net.parameters.values()]
    expected = list(net.loss_gradient(x, loss).parameters.values())
    same(numpy_layers.one_by_one(parameters, x, labels), expected)
    them = others(parameters, x, labels, absent, expected, repeats)
    them["loop"] = repeated("loop", lambda: numpy_layers.one_by_one(parameters, x, labels), max(1, repeats // 10))
    us = repeated("fastlyap", lambda: net.loss_gradient(x, loss, threads=1), repeats)
    found = compare(us, *them.values())
    aims = {"torch": ">= 0.9", "numpy": "", "jax": "", "loop": ">= 10"}
    note_ratios(book, found, "fastlyap", list(them), "784-50-10, 128 samples, loss and gradient", aims, absent)


def test_one_sample_through_a_hundred_layers(compare, book, sizes, absent):
    """Width 100, tanh, half the square of the outputs: gradient of all weights."""
    net = mlp((100,) * 101, output_activation="tanh")
    x, _ = data(1, 100)
    loss, repeats = fl.loss.mse(np.zeros((1, 100))), max(3, int(40 * sizes.scale))
    parameters = [np.array(p) for p in net.parameters.values()]
    expected = list(net.loss_gradient(x, loss).parameters.values())
    them = others(parameters, x, None, absent, expected, repeats)
    us = repeated("fastlyap", lambda: net.loss_gradient(x, loss, threads=1), repeats)
    found = compare(us, *them.values())
    aims = {"torch": ">= 2", "jax": ">= 2", "numpy": ">= 2"}
    note_ratios(book, found, "fastlyap", list(them), "depth 100, width 100, one sample", aims, absent)


@pytest.mark.parametrize("samples", BATCHES)
def test_many_networks_side_by_side(compare, book, sizes, absent, samples):
    """256 networks 64-50-10, cross-entropy: one step of gradient descent of all of them."""
    label = f"256 networks 64-50-10, {samples} sample{'s' * (samples > 1)}, a step of descent"
    aims = {"torch": ">= 5", "torch loop": ">= 5"}
    reason = absent("torch")
    if reason:
        for name, aim in aims.items():
            book.add(SECTION, f"{label}, against {name}", aim=aim, note=reason)
        pytest.skip(reason)
    from bench.contenders import torch_layers

    net, rng = mlp((64, 50, 10)), np.random.default_rng(1)
    net = net.with_parameters(**{k: p + 0.1 * rng.standard_normal((256, *p.shape)) for k, p in net.parameters.items()})
    x, labels = data(samples, 64)
    loss, repeats = fl.loss.cross_entropy(labels), max(2, int(20 * sizes.scale))
    parameters = [np.array(p) for p in net.parameters.values()]
    steps = torch_layers.side_by_side(parameters, x, labels, RATE)
    same(torch_layers.stacked(steps()), net.descend(x, loss, RATE).network.parameters.values())
    loop = torch_layers.in_a_loop(parameters, x, labels, RATE)
    them = [repeated("torch", steps, repeats), repeated("torch loop", loop, max(1, repeats // 4))]
    found = compare(repeated("fastlyap", lambda: net.descend(x, loss, RATE, threads=1), repeats), *them)
    for other in them:
        note = f"{1e3 * found.per_unit(other.name):.2f} ms against {1e3 * found.per_unit('fastlyap'):.2f} ms"
        who = "torch.func.vmap" if other.name == "torch" else "a loop over torch"
        ratio = found.ratio(other.name, "fastlyap")
        book.ratio(SECTION, f"{label}, against {who}", ratio, aim=aims[other.name], note=note)
