"""Layers of feedforward networks, as frozen values: shapes, parameters to start from, and what they compute.

Row convention: activations (..., B, width), weights (inputs, outputs). A layer is built for a shape of its input, which
`Sequential` hands on from layer to layer; `where` names it in errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.kernel import activation as phi
from fastlyap.kernel import network as table
from fastlyap.kernel.small_products import LARGEST
from fastlyap.networks import activations, initialise
from fastlyap.networks.program import Program
from fastlyap.reference import layers as reference

Shape = tuple[int, ...]
Values = dict[str, np.ndarray]


class Layer:
    """What all layers offer. `prefix` stands in front of the names of their parameters: "0.", "3.1." ...."""

    def output(self, shape: Shape, where: str) -> Shape:
        """The shape of the output for one sample; an `InputError` that names the layer where the input does not fit."""
        return shape

    def own(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        """Own shapes of the trained parameters."""
        return {}

    def fixed(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        """Own shapes of numbers that are kept but not trained."""
        return {}

    def draw(self, shape: Shape, prefix: str, rng: np.random.Generator) -> Values:
        """Parameters to start from."""
        return {}

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        """Append the operations to a program; the slot of the result."""
        raise NotImplementedError

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        """The same layer in the reference implementation; `masks` hands out masks in train mode, else None."""
        raise NotImplementedError


@dataclass(frozen=True)
class Dense(Layer):
    """A dense layer y = x W + b.

    Parameters
    ----------
    inputs, outputs : int
    bias : float or None
        What every bias starts from; None for a layer without.
    init : str
        "xavier", "he", "lecun", "orthogonal" or "normal"; see `fastlyap.networks.mlp`.
    gain : float
        Factor of the initial weights.

    Notes
    -----
    Parameters "weight" (inputs, outputs) and "bias" (outputs,).
    """

    inputs: int
    outputs: int
    bias: float | None = field(default=0.0, kw_only=True)
    init: str = field(default="xavier", kw_only=True)
    gain: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", cast.count("inputs", self.inputs, 1))
        object.__setattr__(self, "outputs", cast.count("outputs", self.outputs, 1))
        initialise.check(self.init, self.gain, self.bias)

    def output(self, shape: Shape, where: str) -> Shape:
        if shape != (self.inputs,):
            advice = "; put Flatten() before it" if math.prod(shape) == self.inputs else ""
            raise InputError(f"`{where}` takes inputs of width {self.inputs}, got {_described(shape)}{advice}.")
        return (self.outputs,)

    def own(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        weight: dict[str, Shape] = {f"{prefix}weight": (self.inputs, self.outputs)}
        return weight if self.bias is None else weight | {f"{prefix}bias": (self.outputs,)}

    def draw(self, shape: Shape, prefix: str, rng: np.random.Generator) -> Values:
        weight = initialise.draw(rng, (self.inputs, self.outputs), self.inputs, self.outputs, self.init, self.gain)
        found = {f"{prefix}weight": weight}
        return found if self.bias is None else found | {f"{prefix}bias": np.full(self.outputs, float(self.bias))}

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        bias = -1 if self.bias is None else program.parameter(f"{prefix}bias")
        weight = program.parameter(f"{prefix}weight")
        small = max(self.inputs, self.outputs) <= LARGEST  # room for the transposed weights
        return program.operate(table.DENSE, slot, self.inputs, self.outputs, weight=weight, bias=bias,
                               scratch=self.inputs * self.outputs if small else 0)  # fmt: skip

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        return reference.Dense(values[f"{prefix}weight"], values.get(f"{prefix}bias"), prefix)


@dataclass(frozen=True)
class Activation(Layer):
    """y = phi(x), one of `fastlyap.networks.activations.ACTIVATIONS`: "tanh", "relu", "gelu" ...."""

    name: str

    def __post_init__(self) -> None:
        activations.activation(self.name)

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        if self.name == "identity":
            return slot
        return program.apply(phi.CODES[self.name], slot, math.prod(shape))

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        return reference.Activation(self.name)


@dataclass(frozen=True)
class Dropout(Layer):
    """In train mode every number is dropped with this probability, the others are divided by 1 - probability.

    Masks are functions of seed, member, sample and unit alone (Philox), so that forward, tangent, adjoint and a replay
    with the same seed see the same. In eval mode nothing happens. Source: Srivastava et al., Dropout (2014), who name
    the probability of keeping.
    """

    probability: float

    def __post_init__(self) -> None:
        p = cast.real("probability", self.probability)
        if not 0.0 <= p < 1.0:
            raise InputError(f"`probability` of dropping must be in [0, 1), got {p:g}.")
        object.__setattr__(self, "probability", p)

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        if not train or self.probability == 0.0:
            return slot
        n = math.prod(shape)
        program.masks += 1
        return program.operate(
            table.DROPOUT, slot, n, n, layer=program.masks - 1, factors=(self.probability, 0.0), saved=(n, 0)
        )

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        if masks is None or self.probability == 0.0:
            return reference.Mask(np.ones(shape))
        return reference.Mask(masks(math.prod(shape), self.probability).reshape(-1, *shape))


@dataclass(frozen=True)
class Flatten(Layer):
    """Channels and places of a picture as one row of features."""

    def output(self, shape: Shape, where: str) -> Shape:
        return (math.prod(shape),)

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        return slot

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        return reference.Reshape(shape, (math.prod(shape),))


@dataclass(frozen=True)
class Residual(Layer):
    """A block y = alpha x + beta F(x), F a sequence of layers that keeps the shape.

    Parameters
    ----------
    layers : sequence of layers
    alpha, beta : float

    Notes
    -----
    Parameters have the names of the layers within, "0.weight" for instance, behind the block's own number.
    Source: He, Zhang, Ren & Sun, Deep residual learning (2016), with alpha = beta = 1.
    """

    layers: Sequence[Layer]
    alpha: float = field(default=1.0, kw_only=True)
    beta: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", checked(self.layers))
        object.__setattr__(self, "alpha", cast.real("alpha", self.alpha))
        object.__setattr__(self, "beta", cast.real("beta", self.beta))

    def _within(self, shape: Shape, prefix: str) -> Iterator[tuple[Layer, Shape, str]]:
        return sequence(self.layers, shape, prefix)

    def output(self, shape: Shape, where: str) -> Shape:
        found = shape
        for i, layer in enumerate(self.layers):
            found = layer.output(found, f"{where.split(': ')[0]}.{i}: {layer!r}")
        if found != shape:
            head = where.split(": ")[0]
            raise InputError(
                f"`{head}: Residual` must keep the shape of its input, got {_described(found)} "
                f"from {_described(shape)}."
            )
        return shape

    def own(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        return {k: v for layer, s, p in self._within(shape, prefix) for k, v in layer.own(s, p).items()}

    def fixed(self, shape: Shape, prefix: str) -> dict[str, Shape]:
        return {k: v for layer, s, p in self._within(shape, prefix) for k, v in layer.fixed(s, p).items()}

    def draw(self, shape: Shape, prefix: str, rng: np.random.Generator) -> Values:
        return {k: v for layer, s, p in self._within(shape, prefix) for k, v in layer.draw(s, p, rng).items()}

    def lower(self, program: Program, slot: int, shape: Shape, prefix: str, train: bool) -> int:
        program.begin_block()
        inner = slot
        for layer, s, p in self._within(shape, prefix):
            inner = layer.lower(program, inner, s, p, train)
        n = math.prod(shape)
        return program.operate(table.ADD, slot, n, n, other=inner, factors=(self.alpha, self.beta))

    def rule(self, values: Values, shape: Shape, prefix: str, masks: Any) -> Any:
        rules = [layer.rule(values, s, p, masks) for layer, s, p in self._within(shape, prefix)]
        return reference.Residual(rules, self.alpha, self.beta)


def sequence(layers: Sequence[Layer], shape: Shape, prefix: str = "") -> Iterator[tuple[Layer, Shape, str]]:
    """Layers with the shape of their input and their prefix."""
    for i, layer in enumerate(layers):
        yield layer, shape, f"{prefix}{i}."
        shape = layer.output(shape, f"layer {prefix}{i}: {layer!r}")


def checked(layers: Any) -> tuple[Layer, ...]:
    """`layers` as a tuple, all of them layers."""
    if isinstance(layers, Layer) or not isinstance(layers, Sequence) or isinstance(layers, str):
        raise InputError(f"`layers` must be a list of layers, got {type(layers).__name__}.")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            hint = "; call it" if isinstance(layer, type) and issubclass(layer, Layer) else ""
            raise InputError(f"`layers[{i}]` must be a layer such as Dense(64, 10), got {layer!r:.60}{hint}.")
    return tuple(layers)


def _described(shape: Shape) -> str:
    return f"width {shape[0]}" if len(shape) == 1 else f"shape {shape}"
