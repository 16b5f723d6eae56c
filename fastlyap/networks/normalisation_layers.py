"""Batch and layer normalisation as layers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.kernel import network as table
from fastlyap.networks.layers import Layer, Shape, Values
from fastlyap.networks.program import Program
from fastlyap.reference import normalisation as reference


@dataclass(frozen=True)
class _Normalisation(Layer):
    """What both have in common: gain and shift for every feature."""

    width: int
    eps: float = field(default=1e-5, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", cast.count("width", self.width, 1))
        object.__setattr__(self, "eps", cast.positive("eps", self.eps))

    def own(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        return {f"{prefix}weight": (self.width,), f"{prefix}bias": (self.width,)}

    def draw(self, shape: Shape, prefix: str, rng: np.random.Generator) -> Values:
        return {f"{prefix}weight": np.ones(self.width), f"{prefix}bias": np.zeros(self.width)}


@dataclass(frozen=True)
class BatchNorm(_Normalisation):
    """y = g (x - m) / sqrt(v + eps) + b, for every feature, or every channel of a picture.

    In train mode m and the biased variance v are those of the batch, which couples its samples: a Jacobian of one
    sample does not exist. In eval mode they are running statistics, which `Network.with_statistics_of` moves towards
    those of a batch, the variance unbiased, as PyTorch does.

    Parameters
    ----------
    width : int
        Features, or channels.
    eps : float
        Added to the variance.

    Notes
    -----
    Parameters "weight" and "bias", statistics "running_mean" and "running_var", all (width,).
    """

    def output(self, shape: Shape, where: str) -> Shape:
        if shape[0] != self.width:
            what = "features" if len(shape) == 1 else "channels"
            raise InputError(f"`{where}` takes inputs of {self.width} {what}, got {shape[0]}.")
        return shape

    def fixed(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        return {f"{prefix}running_mean": (self.width,), f"{prefix}running_var": (self.width,)}

    def draw(self, shape: Shape, prefix: str, rng: np.random.Generator) -> Values:
        found = super().draw(shape, prefix, rng)
        return found | {
            f"{prefix}running_mean": np.zeros(self.width), f"{prefix}running_var": np.ones(self.width)
        }  # fmt: skip

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        n = math.prod(shape)
        names = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (program.parameter(prefix + name) for name in names)
        program.coupled = program.coupled or train
        return program.operate(
            table.BATCH_NORM, slot, n, n, weight=weight, bias=bias, mean=mean, variance=variance, coupled=train,
            factors=(self.eps, 0.0), geometry=(self.width, n // self.width), saved=(0, 2 * self.width),
            scratch=2 * self.width,
        )  # fmt: skip

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        gain, bias = values[f"{prefix}weight"], values[f"{prefix}bias"]
        running = None if masks else (values[f"{prefix}running_mean"], values[f"{prefix}running_var"])
        return reference.BatchNorm(gain, bias, running, self.eps, prefix)


@dataclass(frozen=True)
class LayerNorm(_Normalisation):
    """y = g (x - m) / sqrt(v + eps) + b with mean m and biased variance v over the features of each sample.

    Parameters
    ----------
    width : int
        Features; all numbers of a sample.
    eps : float
        Added to the variance.

    Notes
    -----
    Parameters "weight" and "bias", both (width,).
    """

    def output(self, shape: Shape, where: str) -> Shape:
        if math.prod(shape) != self.width:
            raise InputError(f"`{where}` takes inputs of {self.width} features, got {math.prod(shape)}.")
        return shape

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        weight, bias = program.parameter(f"{prefix}weight"), program.parameter(f"{prefix}bias")
        return program.operate(
            table.LAYER_NORM, slot, self.width, self.width, weight=weight, bias=bias, factors=(self.eps, 0.0),
            saved=(2, 0),
        )  # fmt: skip

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        return reference.LayerNorm(values[f"{prefix}weight"], values[f"{prefix}bias"], self.eps, prefix)
