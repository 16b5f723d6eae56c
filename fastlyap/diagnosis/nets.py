"""Numbers of the layers of a feedforward network: variances forward, gradients back, units that do nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastlyap import directional
from fastlyap.diagnosis.verdict import Growth
from fastlyap.kernel import activation as phi
from fastlyap.kernel import network as table
from fastlyap.networks.activations import ACTIVATIONS
from fastlyap.networks.stretches import WEIGHTED, Stretch, chosen

SAMPLES = 64  # whose exponents are computed
NARROW = 64  # all exponents where no layer is wider than this at its narrowest
LEADING = 8  # as many elsewhere
LARGEST = 512  # weights whose condition number is computed
SATURATED = 0.1  # slopes below this share of the largest
Z = np.linspace(-8.0, 8.0, 1601)  # where the largest slope is looked for


class Place(NamedTuple):
    """Where a layer is looked at: index of the layer whose output it is, operation with its activation or None."""

    index: int
    operation: Any
    weight: str | None


class Layers(NamedTuple):
    """Numbers of L layers; logs (L, B) of the norms of gradients."""

    names: tuple[str, ...]
    widths: np.ndarray
    variance: np.ndarray
    logs: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    weight_condition: np.ndarray


def places(net: Any) -> list[Place]:
    """One for each layer but the read-out: its pre-activations, or its output where those lie within a block."""
    program = net.program
    slots = [slot for slot, _ in program.outputs]
    return [_place(net, s, slots) for s in chosen(program, None)[1]]


def _place(net: Any, s: Stretch, slots: list[int]) -> Place:
    inside = net.program.operations[s.begin : s.end]
    weighted = [op for op in inside if op.kind in WEIGHTED]
    name = list(net.shapes)[weighted[0].weight] if len(weighted) == 1 and weighted[0].kind == table.DENSE else None
    for op in reversed(inside):
        if op.out != op.z and op.z in slots:
            return Place(slots.index(op.z), op, name)
    seen = [op.z for op in weighted if op.z in slots]
    return Place(slots.index(seen[-1] if seen else s.out), None, name)


def measure(net: Any, x: np.ndarray, w: np.ndarray, seed: int) -> Layers:
    """Samples x (B, ...) and, at the outputs, covectors w (B, ...)."""
    here = places(net)
    tape, cotape = net.tape(x, seed=seed), net.cotape(x, w, seed=seed)
    z = [tape[p.index].reshape(len(x), -1) for p in here]
    units = np.array([_units(p, values) for p, values in zip(here, z, strict=True)])
    names = tuple(f"{p.index} {type(net.layers[p.index]).__name__}" for p in here)
    return Layers(
        names, np.array([values.shape[1] for values in z]), np.array([np.mean(values**2) for values in z]),
        logs_of([cotape[p.index] for p in here]), units[:, 0], units[:, 1],
        np.array([_condition(net, p.weight) for p in here]),
    )  # fmt: skip


def growth(net: Any, x: np.ndarray, w: np.ndarray, seed: int) -> Growth:
    """Of the gradients alone."""
    cotape = net.cotape(x, w, seed=seed)
    return Growth.of(logs_of([cotape[p.index] for p in places(net)]))


def logs_of(covectors: list[np.ndarray]) -> np.ndarray:
    """Logarithms (L, B) of the norms of covectors (B, ...)."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.array([np.log(np.linalg.norm(c.reshape(len(c), -1), axis=1)) for c in covectors])


def _units(place: Place, z: np.ndarray) -> tuple[float, float]:
    """Shares of units without slope at any sample, and of slopes that are small."""
    if place.operation is None:
        return np.nan, np.nan
    slope = ACTIVATIONS[phi.NAMES[place.operation.code]].slope
    slopes = np.abs(slope(z))
    return float(np.mean(np.all(slopes == 0.0, axis=0))), float(np.mean(slopes < SATURATED * np.abs(slope(Z)).max()))


def _condition(net: Any, name: str | None) -> float:
    if name is None or min(net.shapes[name]) > LARGEST:
        return np.nan
    return float(np.linalg.cond(net.parameters[name]))


def exponents(net: Any, x: np.ndarray, seed: int) -> tuple[np.ndarray, float, float]:
    """Medians over samples (k,); growth of the rms of random covectors; log10 of the Jacobian's condition."""
    widths = [s.m for s in chosen(net.program, None)[1]]
    narrow = min(np.prod(net.input_shape), *widths)
    k = int(narrow if narrow <= NARROW else min(LEADING, narrow))
    found = directional.finite_time(net, x[:SAMPLES], k=k, seed=seed)
    values = found.exponents[found.status < 4]
    if not len(values):
        return np.full(k, np.nan), np.nan, np.nan
    depth = found.settings["steps"]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = depth * (values[:, 0] - values[:, -1]) / np.log(10.0)
    if k < narrow:
        return np.median(values, axis=0), np.nan, np.nan
    condition = float(np.median(spread)) if k > 1 else np.nan
    return np.median(values, axis=0), _of_random_covectors(depth * values, widths[-1]) / depth, condition


def _of_random_covectors(logs: np.ndarray, width: int) -> float:
    """Half the logarithm of the mean square, over samples and directions, of J'w for random unit w; logs (B, k)."""
    total = np.logaddexp.reduce(2.0 * logs, axis=None)
    return float(0.5 * (total - np.log(width * len(logs))))
