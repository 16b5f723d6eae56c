"""Batches of networks diagnosed member by member: one verdict each, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.diagnosis import text
from fastlyap.diagnosis.report import Diagnosis
from fastlyap.errors import InputError
from fastlyap.networks.cells import Cell


class Diagnoses:
    """The diagnoses of a batch of networks; `print` it, and index it for the `Diagnosis` of one member.

    Attributes
    ----------
    members : (...) array of Diagnosis
    shape : of the batch
    verdict : (...) str
    rate, rate_rms, expected_rate, condition : (...) as in `Diagnosis`
    exponent : (...) the largest of each member
    """

    def __init__(self, members: np.ndarray) -> None:
        self.members = members

    @property
    def shape(self) -> tuple[int, ...]:
        return self.members.shape

    @property
    def verdict(self) -> np.ndarray:
        return self._each("verdict", object).astype(str)

    @property
    def rate(self) -> np.ndarray:
        return self._each("rate")

    @property
    def rate_rms(self) -> np.ndarray:
        return self._each("rate_rms")

    @property
    def expected_rate(self) -> np.ndarray:
        return self._each("expected_rate")

    @property
    def condition(self) -> np.ndarray:
        return self._each("condition")

    @property
    def exponent(self) -> np.ndarray:
        return np.array([d.exponents[0] for d in self.members.flat]).reshape(self.shape)

    def _each(self, name: str, dtype: Any = np.float64) -> np.ndarray:
        return np.array([getattr(d, name) for d in self.members.flat], dtype=dtype).reshape(self.shape)

    def __getitem__(self, index: Any) -> Any:
        found = self.members[index]
        return found if isinstance(found, Diagnosis) else Diagnoses(found)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return text.of_many(self)


def shape_of(net: Any) -> tuple[int, ...]:
    """The batch shape of the weights of a network or cell."""
    if not isinstance(net, Cell):
        return net.batch_shape
    leads = [np.shape(value)[: np.ndim(value) - len(net.shapes[name])] for name, value in net.parameters.items()]
    return np.broadcast_shapes(net.x0.shape[:-1], *leads)


def parts(net: Any, x: Any) -> Iterator[tuple[tuple[int, ...], Any, Any]]:
    """Index, network and samples (or drive) of every member; x is common to all, or has axes like the batch's."""
    shape = shape_of(net)
    samples = _samples(net, x, shape)
    values = dict(net.parameters) if isinstance(net, Cell) else {**net.parameters, **net.statistics}
    laid = {name: np.broadcast_to(value, (*shape, *net.shapes[name])) for name, value in values.items()}
    for index in np.ndindex(shape):
        one = net.with_parameters(**{name: value[index] for name, value in laid.items()})
        if isinstance(net, Cell):
            one = replace(one, x0=np.broadcast_to(net.x0, (*shape, net.dim))[index])
        yield index, one, samples if samples is None or np.ndim(samples) == 0 else samples[index]


def _samples(net: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """The samples with the axes of the batch in front."""
    if x is None or np.ndim(x) == 0:
        return x
    given = cast.real_array("x", x, finite=False)
    own = 1 + (1 if isinstance(net, Cell) else len(net.input_shape))
    if given.ndim < own:
        return np.broadcast_to(given, (*shape, *given.shape))  # refused in words by the first member
    lead = given.shape[: given.ndim - own]
    try:
        return np.broadcast_to(given, (*shape, *given.shape[given.ndim - own :]))
    except ValueError:
        raise InputError(
            f"`x` must be common to all members, or have axes that broadcast to the batch {shape} of `net`, got {lead} "
            "in front of the samples."
        ) from None
