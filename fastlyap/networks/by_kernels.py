"""Passes through a network by the compiled kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastlyap.networks.arena import Gradient
from fastlyap.networks.compiled import Begin, Run, Step, Workspace
from fastlyap.networks.program import NOISE_SIZE
from fastlyap.networks.samples import Given
from fastlyap.networks.values import Values
from fastlyap.trace.feedforward import COTAPE, CROSS_ENTROPY, GIVEN, RESULT, SQUARED_ERROR, VECTORS

LOSSES = {"cross_entropy": CROSS_ENTROPY, "squared_error": SQUARED_ERROR}


def _run(net: Values, given: Given, threads: int, **how: Any) -> Run:
    return Run(net.program, given.inputs, net.structure.sizes[1], threads, **how)


def forward(net: Values, given: Given, threads: int) -> np.ndarray:
    """(..., B, *output_shape)."""
    y = np.empty((*given.front, *net.output_shape))
    run = _run(net, given, threads)

    def work(lo: int, hi: int, space: Workspace) -> None:
        run.forward(space.tape, y.reshape(-1), lo, hi, space, False)

    run.in_groups(work)
    return y


def tangent(net: Values, given: Given, threads: int) -> np.ndarray:
    """J v."""
    n, m = net.structure.sizes
    out = np.empty((*given.vector_front, *net.output_shape))
    run = _run(net, given, threads, k=given.k)
    _lay_out(run, given, n, m)

    def work(lo: int, hi: int, space: Workspace) -> None:
        run.forward(space.tapes, space.outputs, lo, hi, space, True)
        run.tangent(space.tapes, given.vectors, out.reshape(-1), lo, hi, space)

    run.in_groups(work)
    return out


def adjoint(net: Values, given: Given, threads: int) -> np.ndarray:
    """J' w."""
    n, m = net.structure.sizes
    out = np.empty((*given.vector_front, *net.input_shape))
    run = _run(net, given, threads, k=given.k)
    _lay_out(run, given, m, n)

    def work(lo: int, hi: int, space: Workspace) -> None:
        run.forward(space.tapes, space.outputs, lo, hi, space, True)
        run.reverse(space.tapes, given.vectors, space.vectors, out.reshape(-1), lo, hi, space)

    run.in_groups(work)
    return out


def backward(net: Values, given: Given, threads: int, wanted: bool) -> tuple[np.ndarray | None, Gradient]:
    """(adjoint of the input or None, adjoints of the parameters) of given covectors."""
    run = _run(net, given, threads, whole=True)
    run.place(VECTORS, given.vector_places, net.structure.sizes[1])
    return _gradient(net, given, run, wanted, Begin(GIVEN, given.vectors), np.empty(0), np.empty(0))


def loss_gradient(
    net: Values, given: Given, loss: Any, threads: int, wanted: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Gradient]:
    """(loss, output, adjoint of the input or None, adjoints of the parameters); losses that kernels know in one go."""
    y = np.empty((*given.front, *net.output_shape))
    if not hasattr(loss, "laid_out"):
        y = forward(net, given, threads)
        return loss.value(y), y, *backward(net, _with_vectors(given, loss.cotangent(y)), threads, wanted)
    name, numbers, temperature = loss.laid_out(y.shape)
    run = _run(net, given, threads, whole=True)
    run.place(VECTORS, np.arange(given.inputs.members) * (numbers.size // max(given.inputs.members, 1)), 0)
    value = np.empty(given.batch)
    begin = Begin(LOSSES[name], numbers, temperature)
    found = _gradient(net, given, run, wanted, begin, y.reshape(-1), value.reshape(-1))
    return value[()], y, *found


def descend(net: Values, given: Given, loss: Any, rate: float, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """(loss, flat parameters after a step of gradient descent): every member's gradient is used while it is fresh."""
    y = np.empty((*given.front, *net.output_shape))
    name, numbers, temperature = loss.laid_out(y.shape)
    run = _run(net, given, threads, whole=True)
    members = given.inputs.members
    run.place(VECTORS, np.arange(members) * (numbers.size // max(members, 1)), 0)
    layout, _, size = net.structure.gradient_layout(1)
    value, moved = np.empty(given.batch), np.empty_like(net.arena.flat)
    noisy = NOISE_SIZE in net.structure.trained
    trained, kept = len(net.structure.trained) - noisy, members * (size - noisy)
    moved[kept:] = net.arena.flat[kept:]  # the size of noise, and statistics
    own = np.array([math.prod(shape) for shape in net.shapes.values()], dtype=np.int64)
    layout = np.concatenate([layout, own[None]])
    begin, step = Begin(LOSSES[name], numbers, temperature), Step(moved, rate, trained)
    at_input = np.empty(run.tables.part if net.program.last < 0 else 0)

    def work(lo: int, hi: int, space: Workspace) -> None:
        run.gradient(begin, y.reshape(-1), at_input, value.reshape(-1), layout, np.empty(size), lo, hi, space, step)

    run.in_groups(work)
    return value[()], moved


def _gradient(
    net: Values, given: Given, run: Run, wanted: bool, begin: Begin, y: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray | None, Gradient]:
    """One item after the other, forward and backward, on one tape that stays in the cache."""
    n = net.structure.sizes[0]
    run.place(RESULT, np.arange(given.inputs.members) * given.inputs.samples * n, n)
    layout, starts, size = net.structure.gradient_layout(given.inputs.members)
    total = Gradient(np.empty(size), starts, net.shapes, given.batch)
    # where nothing is computed, the input's covector is the output's and needs its room
    at_input = np.empty((*given.front, *net.input_shape)) if wanted or net.program.last < 0 else np.empty(0)
    flat = at_input.reshape(-1)

    def work(lo: int, hi: int, space: Workspace) -> None:
        run.gradient(begin, y, flat, value, layout, total.flat, lo, hi, space)

    run.in_groups(work)
    return at_input if wanted else None, total


def tape(net: Values, given: Given, threads: int) -> tuple[np.ndarray, ...]:
    """Outputs of all layers."""
    run = _run(net, given, threads, whole=True)
    run.discard_values()
    tapes = run.keep_tapes()
    run.in_groups(lambda lo, hi, space: run.forward(tapes.reshape(-1), space.outputs, lo, hi, space, False))
    return _slots(net, given, run, tapes)


def cotape(net: Values, given: Given, threads: int) -> tuple[np.ndarray, ...]:
    """The covectors at the outputs of all layers."""
    n, m = net.structure.sizes
    run = _run(net, given, threads, whole=True)
    _lay_out(run, given, m, n)
    cotapes = run.keep_tapes()
    run.items[:, COTAPE] = np.arange(len(run.items)) * run.tables.size
    run.share_tapes()
    out = np.empty((*given.front, *net.input_shape))

    def work(lo: int, hi: int, space: Workspace) -> None:
        run.forward(space.tapes, space.outputs, lo, hi, space, True)
        run.reverse(space.tapes, given.vectors, cotapes.reshape(-1), out.reshape(-1), lo, hi, space)

    run.in_groups(work)
    return _slots(net, given, run, cotapes, out)


def statistics(net: Values, given: Given, momentum: float, threads: int) -> dict[str, np.ndarray]:
    """Running statistics moved towards those of a batch."""
    run = _run(net, given, threads, whole=True)
    run.discard_values()
    tapes = run.keep_tapes()
    run.in_groups(lambda lo, hi, space: run.forward(tapes.reshape(-1), space.outputs, lo, hi, space, False))
    names, found = list(net.shapes), {}
    for op in (op for op in net.program.operations if op.mean >= 0):
        shape = (given.inputs.samples, *op.geometry)
        x = _slot(given, run, tapes, op.source, shape[1:])
        mean, variance = (f(x, axis=(-3, -1)) for f in (np.mean, _unbiased))
        for name, new in ((names[op.mean], mean), (names[op.variance], variance)):
            found[name] = (1.0 - momentum) * net.statistics[name] + momentum * new
    return found


def _unbiased(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    return np.var(x, axis=axis, ddof=1)


def _lay_out(run: Run, given: Given, width_in: int, width_out: int) -> None:
    """Where the vectors lie and their images go; tapes shared, outputs not wanted."""
    given_front = np.arange(given.inputs.members) * given.inputs.samples * given.k
    run.place(VECTORS, given.vector_places, given.k * width_in)
    run.place(RESULT, given_front * width_out, given.k * width_out)
    run.discard_values()
    run.share_tapes()


def _with_vectors(given: Given, w: np.ndarray) -> Given:
    """The same call with contiguous covectors of its own shape."""
    w = np.require(w, np.float64, ["C", "W"])
    members = given.inputs.members
    at = np.arange(members, dtype=np.int64) * (w.size // max(members, 1))
    return Given(given.batch, given.inputs, w.reshape(-1), at, 1, False)


def _slots(
    net: Values, given: Given, run: Run, tapes: np.ndarray, at_input: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    return tuple(
        at_input.reshape(*given.front, *shape)
        if at_input is not None and slot < 0
        else _slot(given, run, tapes, slot, shape)
        for slot, shape in net.program.outputs
    )


def _slot(given: Given, run: Run, tapes: np.ndarray, slot: int, shape: tuple[int, ...]) -> np.ndarray:
    """(..., B, *shape): one slot of all tapes, a view; or the input."""
    size = math.prod(shape) * given.inputs.samples
    if slot < 0:
        at = given.inputs.x_places[:, None] + np.arange(size)
        return given.inputs.x[at].reshape(*given.front, *shape)
    place = run.tables.places[slot]
    return tapes[:, place : place + size].reshape(*given.front, *shape)
