"""What a call of a network is given, checked and laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap import cast, hardware
from fastlyap.errors import InputError
from fastlyap.kernel import network as table
from fastlyap.networks.arena import Arena, broadcast, places
from fastlyap.networks.compiled import Inputs
from fastlyap.networks.values import Values

Shape = tuple[int, ...]
LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True)
class Given:
    """Samples of a call, and vectors at its input or output.

    batch : batch shape of the call
    inputs : what the kernels read
    vectors : flat numbers of the vectors, k for each sample; vector_places (members,) where each member's begin
    many : whether the vectors came with an axis of their own
    """

    batch: Shape
    inputs: Inputs
    vectors: np.ndarray
    vector_places: np.ndarray
    k: int
    many: bool

    @property
    def front(self) -> Shape:
        """The axes in front of a sample's numbers: batch and samples."""
        return (*self.batch, self.inputs.samples)

    @property
    def vector_front(self) -> Shape:
        """The same for the vectors."""
        return (*self.front, self.k) if self.many else self.front


def given(net: Values, arena: Arena, x: Any, seed: int, **vectors: Any) -> Given:
    """Check the samples, and at most one array of vectors by the name of its argument."""
    x = _samples("x", x, net.input_shape)
    own = x.shape[x.ndim - 1 - len(net.input_shape) :]
    lead = {"x": x.shape[: x.ndim - len(own)], "parameters": arena.batch_shape}
    _check_batch(net, own[0])
    many, k, v = False, 1, np.empty(0)
    part: Shape = ()
    for name, value in vectors.items():
        shape = net.input_shape if name == "v" else net.output_shape
        v = _numbers(name, value)
        many = name != "cotangent" and v.ndim - len(shape) == len(broadcast(lead)) + 2
        k = v.shape[-1 - len(shape)] if many else 1
        part = (own[0], k, *shape) if many else (own[0], *shape)
        v = _spread_over_samples(name, v, part, many, broadcast(lead))
        lead[name] = v.shape[: v.ndim - len(part)]
    batch = broadcast(lead)
    inputs = Inputs(
        own[0], x.reshape(-1), places(lead["x"], own, batch), arena.flat, arena.places(batch), _seed(seed)
    )
    at = places(v.shape[: v.ndim - len(part)], part, batch) if vectors else np.empty(0, dtype=np.int64)
    return Given(batch, inputs, v.reshape(-1), at, k, many)


def _numbers(name: str, value: Any) -> np.ndarray:
    """Contiguous float64 numbers, the caller's own where they are that; NaN passes, and comes out as NaN."""
    found = cast.real_array(name, value, finite=False, copy=False)
    return found if found.flags.writeable else found.copy()  # compiled code takes writeable arrays only


def _samples(name: str, value: Any, shape: Shape) -> np.ndarray:
    found = _numbers(name, value)
    wanted = ", ".join(map(str, shape))
    if found.shape == shape:
        raise InputError(
            f"`{name}` must have shape (..., B, {wanted}), got {found.shape}; one sample is `{name}[None]`."
        )
    if found.ndim <= len(shape) or found.shape[found.ndim - len(shape) :] != shape:
        advice = "; transpose it: rows are samples" if found.shape[:-2:-1] == shape or found.shape[:1] == shape else ""
        raise InputError(f"`{name}` must have shape (..., B, {wanted}), got {found.shape}{advice}.")
    if found.shape[found.ndim - len(shape) - 1] == 0:
        raise InputError(f"`{name}` must hold at least one sample, got an empty batch of shape {found.shape}.")
    return found


def _spread_over_samples(name: str, v: np.ndarray, part: Shape, many: bool, batch: Shape) -> np.ndarray:
    """Vectors with an axis of samples as long as it must be."""
    at = v.ndim - len(part)
    if at < 0 or v.shape[at + 1 :] != part[1:] or v.shape[at] not in (1, part[0]) or (many and part[1] == 0):
        one, own = ", ".join(map(str, (*batch, part[0]))), ", ".join(map(str, part[1 + many :]))
        several = "" if name == "cotangent" else f" or, for k of each sample, ({one}, k, {own})"
        raise InputError(f"`{name}` must have shape ({one}, {own}){several}, got {v.shape}.")
    if v.shape[at] == part[0]:
        return v
    return np.ascontiguousarray(np.broadcast_to(v, (*v.shape[:at], *part)))


def _check_batch(net: Values, samples: int) -> None:
    """Refuse statistics of a single number."""
    for op in net.program.operations if net.program.coupled else ():
        if op.kind == table.BATCH_NORM and samples * op.geometry[1] < 2:
            layer = list(net.shapes)[op.weight].rpartition(".")[0]
            raise InputError(
                f"`x` must hold at least 2 samples in train mode, where batch norm (layer {layer}) takes the "
                "statistics of the batch, got 1; use `net.eval()`."
            )


def _seed(seed: Any) -> int:
    found = cast.count("seed", seed, 0)
    if found > LARGEST_SEED:
        raise InputError(f"`seed` must be below 2**64, got {found}.")
    return found


def thread_count(threads: Any) -> int:
    """Threads to use."""
    return hardware.cores() if threads is None else cast.count("threads", threads, 1)
