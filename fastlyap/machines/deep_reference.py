"""Finite-time exponents of deep networks on the plain NumPy path: Jacobians of the layers, QR sweeps through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.kernel.layerwise import FAILED, PLAIN, RANK, SURE, SWEEPS
from fastlyap.networks.by_reference import members
from fastlyap.reference import layers as rules_of
from fastlyap.reference.layer_product import singular_values
from fastlyap.request import LayersRequest


@np.errstate(all="ignore")
def run(request: LayersRequest, found: Any) -> None:
    """Fill in the numbers of all samples."""
    samples = request.given.inputs.samples
    for member, (rules, x, _) in enumerate(members(request.network, request.given)):
        stages, output = _jacobians(request, rules, x)
        found.state[member * samples :][:samples] = output
        for sample in range(samples):
            _one(request, [stage[sample] for stage in stages], found, member * samples + sample)


def _one(request: LayersRequest, matrices: list[np.ndarray], found: Any, e: int) -> None:
    k = request.k
    kept = found.kept[e]
    kept[:] = np.zeros(PLAIN, dtype=np.int64)
    kept[FAILED], kept[SURE], kept[SWEEPS] = -1, 2, request.max_sweeps
    for layer, matrix in enumerate(matrices):
        if not np.isfinite(matrix).all():
            kept[FAILED] = layer
            return
    result = singular_values(matrices, k, request.max_sweeps, request.seed)
    found.sums[e, :k], found.right[e], found.left[e] = result
    found.change[e, :k] = 0.0
    kept[RANK] = np.isfinite(result.sums).sum()
    found.live[e] = kept[RANK]


def _jacobians(request: LayersRequest, rules: list, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Of the chosen layers, (B, m, n) each, by tangents through the rules between their ends; and the output."""
    slots = [slot for slot, _ in request.network.program.outputs]
    values = rules_of.values(rules, x)
    found, last = [], 0
    for s in request.stretches:
        begin = 0 if s.source < 0 else len(slots) - slots[::-1].index(s.source)
        last = len(slots) - slots[::-1].index(s.out)
        inner, here = rules[begin:last], values[begin]
        unit = np.eye(s.n).reshape(s.n, *here.shape[1:])
        columns = [rules_of.tangent(inner, here, np.broadcast_to(v, here.shape)) for v in unit]
        found.append(np.stack([column.reshape(len(x), s.m) for column in columns], axis=-1))
    return found, values[last].reshape(len(x), -1)
