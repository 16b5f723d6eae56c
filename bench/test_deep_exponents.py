"""Exponents of deep networks: a map over inputs against torch's Jacobians, long products against theirs."""

import functools
import time
import warnings

import numpy as np
import pytest

import fastlyap as fl
from bench.timing import Contender
from fastlyap.networks.build import mlp

SECTION = "E. Finite-time exponents of deep networks"
WIDTH, DEPTH, SIDE = 50, 8, 200

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="deep exponents")


def net():
    return mlp((2, *(WIDTH,) * DEPTH, 1), init="lecun", gain=1.5)


def grid(side):
    axis = np.linspace(-2.0, 2.0, side)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


@functools.cache
def torch_map(name):
    """log singular values of every Jacobian over the depth, by `torch.func.vmap(jacrev or jacfwd)` and `svdvals`."""
    import torch

    torch.set_num_threads(1)
    values = [torch.tensor(value.copy()) for value in net().parameters.values()][:-2]

    def hidden(x):
        for weight, bias in zip(values[::2], values[1::2], strict=True):
            x = torch.tanh(x @ weight + bias)
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, of its own parts
        jacobians = torch.func.vmap(getattr(torch.func, name)(hidden))
        jacobians(torch.zeros(2, 2, dtype=torch.float64))

    def run(x, piece=4096):
        with torch.no_grad():
            parts = [torch.linalg.svdvals(jacobians(part)) for part in torch.tensor(x).split(piece)]
        return torch.log(torch.cat(parts)).numpy() / DEPTH

    return run


@pytest.mark.parametrize("name", ["jacrev", "jacfwd"])
def test_map(compare, book, sizes, absent, name):
    label = f"map over {SIDE} x {SIDE} inputs, width {WIDTH}, depth {DEPTH}, against torch {name} + svdvals"
    reason = absent("torch")
    if reason:
        book.add(SECTION, label, aim=">= 10", note=reason)
        pytest.skip(reason)
    x, few = grid(SIDE), grid(max(10, int(SIDE * (0.4 if name == "jacrev" else 1.0) * sizes.scale)))
    ours, theirs = net(), torch_map(name)
    np.testing.assert_allclose(fl.finite_time(ours, few[:50]).exponents, theirs(few[:50]), atol=1e-9)
    us = Contender("ours", lambda: fl.finite_time(ours, x, threads=1).exponents, len(x))
    found = compare(us, Contender(name, lambda: theirs(few), len(few)))
    note = f"{1e6 * found.per_unit('ours'):.3g} and {1e6 * found.per_unit(name):.3g} us per input"
    book.ratio(SECTION, label, found.ratio(name, "ours"), aim=">= 10" if name == "jacrev" else "", note=note)


def test_long_product(compare, book):
    """60 steps of a chaotic layer of 64 units, all 64 exponents, where the product's own decomposition fails."""
    steps, n = 60, 64
    ours = mlp((n,) * (steps + 1), output_activation="tanh", init="lecun", gain=3.0, bias=None)
    x = np.random.default_rng(0).standard_normal((1, n))
    every = slice(None)
    tape = [x, *ours.tape(x)[1::2]]
    weights = list(ours.parameters.values())
    matrices = [W * (1 - y[0] ** 2) for W, y in zip(weights, tape[1:], strict=True)]

    def product():
        total = matrices[0]
        for matrix in matrices[1:]:
            total = total @ matrix
        return np.linalg.svd(total)

    exact = fl.finite_time(ours, x, layers=every)
    wrong = np.abs(np.log(product()[1]) - exact.log_singular_values[0]).max()
    us = Contender("ours", lambda: fl.finite_time(ours, x, layers=every, threads=1), 1)
    found = compare(us, Contender("product", product, 1))
    note = f"the product's decomposition is wrong by {wrong:.3g} nats; ours includes the forward pass"
    book.ratio(SECTION, f"{steps} layers of {n} units, cost over product and SVD", found.ratio("ours", "product"),
               aim="<= 12", note=note)  # fmt: skip
