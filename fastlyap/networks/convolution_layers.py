"""Convolutions of sequences and pictures as layers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.kernel import network as table
from fastlyap.networks import initialise
from fastlyap.networks.layers import Layer, Shape, Values
from fastlyap.networks.program import Program
from fastlyap.reference import convolution as reference


@dataclass(frozen=True)
class _Convolution(Layer):
    inputs: int
    outputs: int
    kernel: Any  # after construction tuples of as many numbers as there are axes
    stride: Any = field(default=1, kw_only=True)
    padding: Any = field(default=0, kw_only=True)
    dilation: Any = field(default=1, kw_only=True)
    bias: float | None = field(default=0.0, kw_only=True)
    init: str = field(default="xavier", kw_only=True)
    gain: float = field(default=1.0, kw_only=True)

    axes: ClassVar[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", cast.count("inputs", self.inputs, 1))
        object.__setattr__(self, "outputs", cast.count("outputs", self.outputs, 1))
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            object.__setattr__(self, name, self._sizes(name, getattr(self, name), least))
        initialise.check(self.init, self.gain, self.bias)

    def _sizes(self, name: str, value: Any, least: int) -> tuple[int, ...]:
        given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * self.axes
        if len(given) != self.axes:
            raise InputError(f"`{name}` must be one number or {self.axes}, got {value!r}.")
        return tuple(cast.count(name, each, least) for each in given)

    def output(self, shape: Shape, where: str) -> Shape:
        if len(shape) != 1 + self.axes or shape[0] != self.inputs:
            axes = ", ".join(("length",) if self.axes == 1 else ("height", "width"))
            raise InputError(f"`{where}` takes inputs of shape ({self.inputs}, {axes}), got {shape}.")
        reach = [(kernel - 1) * step + 1 for kernel, step in zip(self.kernel, self.dilation, strict=True)]
        found = tuple(
            (size + 2 * pad - span) // stride + 1
            for size, span, stride, pad in zip(shape[1:], reach, self.stride, self.padding, strict=True)
        )
        if min(found) < 1:
            wide = f"{self.kernel}" + f", dilated to {tuple(reach)}" * (tuple(reach) != self.kernel)
            raise InputError(f"`{where}` takes inputs at least as large as its kernel {wide}, got {shape[1:]}.")
        return (self.outputs, *found)

    def own(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        weight = {f"{prefix}weight": (self.outputs, self.inputs, *self.kernel)}
        return weight if self.bias is None else weight | {f"{prefix}bias": (self.outputs,)}

    def draw(self, shape: Shape, prefix: str, rng: np.random.Generator) -> Values:
        field_size = math.prod(self.kernel)
        own = (self.outputs, self.inputs, *self.kernel)
        weight = initialise.draw(
            rng, own, self.inputs * field_size, self.outputs * field_size, self.init, self.gain
        )  # fmt: skip
        found = {f"{prefix}weight": weight}
        return found if self.bias is None else found | {f"{prefix}bias": np.full(self.outputs, float(self.bias))}

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        bias = -1 if self.bias is None else program.parameter(f"{prefix}bias")
        weight = program.parameter(f"{prefix}weight")
        out = self.output(shape, "")
        flat = 2 - self.axes  # a sequence is a picture of one row
        pairs = [(1,) * flat + size for size in (shape[1:], self.kernel, self.stride, out[1:])]
        high, kernel, stride, places = pairs
        padding, dilation = (0,) * flat + self.padding, (1,) * flat + self.dilation
        patch = self.inputs * math.prod(self.kernel)
        return program.operate(
            table.CONVOLUTION, slot, math.prod(shape), math.prod(out), weight=weight, bias=bias,
            geometry=(self.inputs, *high, self.outputs, *kernel, *stride, *padding, *places, *dilation),
            scratch=patch * (math.prod(places) + self.outputs),
        )  # fmt: skip

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        return reference.Convolution(
            values[f"{prefix}weight"], values.get(f"{prefix}bias"), self.stride, self.padding, self.dilation, prefix
        )


class Conv1d(_Convolution):
    """Cross-correlation of sequences (inputs, length) with kernels, zeros outside.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride, padding, dilation : int
        Dilation is the distance between numbers that the kernel meets.
    bias, init, gain :
        As for `Dense`; a unit meets inputs * kernel numbers.

    Notes
    -----
    Parameters "weight" (outputs, inputs, kernel) and "bias" (outputs,).
    """

    axes = 1


class Conv2d(_Convolution):
    """Cross-correlation of pictures (inputs, height, width) with kernels, zeros outside.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride, padding, dilation : int or pair of int
        Down and across; dilation is the distance between numbers that the kernel meets.
    bias, init, gain :
        As for `Dense`; a unit meets inputs * kernel height * kernel width numbers.

    Notes
    -----
    Parameters "weight" (outputs, inputs, height, width) and "bias" (outputs,).
    """

    axes = 2
