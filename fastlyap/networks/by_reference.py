"""Passes through a network by the plain NumPy reference, member after member."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.networks.samples import Given
from fastlyap.networks.values import Values
from fastlyap.reference import layers as reference
from fastlyap.reference import noise


def forward(net: Values, given: Given) -> np.ndarray:
    """(..., B, *output_shape)."""
    return _stacked(net, given, lambda rules, x, vectors: reference.values(rules, x)[-1], net.output_shape)


def tangent(net: Values, given: Given) -> np.ndarray:
    """J v."""
    return _moved(net, given, reference.tangent, net.input_shape, net.output_shape)


def adjoint(net: Values, given: Given) -> np.ndarray:
    """J' w."""
    return _moved(net, given, lambda rules, x, w: reference.adjoints(rules, x, w)[0], net.output_shape, net.input_shape)


def backward(net: Values, given: Given) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(adjoint of the input, adjoints of the parameters)."""
    found = []
    for rules, x, w in members(net, given):
        covectors = w[: len(x) * math.prod(net.output_shape)].reshape(len(x), *net.output_shape)
        found.append(reference.gradient(rules, x, covectors))
    parameters = {
        name: np.stack([each[name] for each in found]).reshape((*given.batch, *net.shapes[name]))
        for name in net.parameters
    }
    return adjoint(net, given), parameters


def members(net: Values, given: Given) -> Any:
    """Rules, samples and flat vectors of all members."""
    inputs = given.inputs
    size = inputs.samples * math.prod(net.input_shape)
    vectors = given.vectors.size and inputs.samples * given.k
    for i, places in enumerate(inputs.parameter_places):
        values = {
            name: inputs.parameters[o : o + math.prod(own)].reshape(own)
            for (name, own), o in zip(net.shapes.items(), places, strict=True)
        }
        masks = reference.masks(inputs.seed, i, inputs.samples) if net.mode == "train" else None
        rules = [layer.rule(values, shape, prefix, masks) for layer, shape, prefix in net.structure.steps]
        rules = _disturbed(net, rules, values, inputs.seed, i, inputs.samples)
        x = inputs.x[inputs.x_places[i] :][:size].reshape(inputs.samples, *net.input_shape)
        yield rules, x, given.vectors[given.vector_places[i] :] if vectors else None


def _disturbed(net: Values, rules: list, values: dict[str, np.ndarray], seed: int, member: int, samples: int) -> list:
    """The rules, noise added to those that have some."""
    steps, found, at = net.structure.steps, list(rules), 0
    shapes = {i: steps[i][0].output(steps[i][1], "") for i in net.structure.disturbed}
    total = sum(math.prod(shape) for shape in shapes.values())
    if total:
        b = np.array([noise.sequence(seed, member, sample, total) for sample in range(samples)])
        for i, shape in shapes.items():
            some = b[:, at : at + math.prod(shape)].reshape(samples, *shape)
            found[i] = reference.Noisy(rules[i], float(values["noise_size"]), some)
            at += math.prod(shape)
    return found


def _stacked(net: Values, given: Given, work: Callable, shape: tuple[int, ...]) -> np.ndarray:
    found = [work(*member) for member in members(net, given)]
    return np.array(found).reshape(*given.front, *shape)


def _moved(net: Values, given: Given, move: Callable, before: tuple[int, ...], after: tuple[int, ...]) -> np.ndarray:
    """Move the vectors of all members, one of each sample at a time."""
    k, samples = given.k, given.inputs.samples
    count = k * samples * math.prod(before)

    def work(rules: list, x: np.ndarray, flat: np.ndarray) -> np.ndarray:
        vectors = flat[:count].reshape(samples, k, *before)
        return np.stack([move(rules, x, vectors[:, j]) for j in range(k)], axis=1)

    found = [work(*member) for member in members(net, given)]
    return np.array(found).reshape(*given.vector_front, *after)
