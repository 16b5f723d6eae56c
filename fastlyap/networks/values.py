"""Networks as immutable values: layers, parameters of one network or of a batch, and a mode."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks.arena import Arena
from fastlyap.networks.layers import Layer, Shape
from fastlyap.networks.program import Program
from fastlyap.networks.structure import Structure

SHOWN = 18  # lines of a network's repr


class Values:
    """Layers and their parameters; what `Network` computes with."""

    structure: Structure
    arena: Arena
    mode: str

    def __init__(
        self, layers: Sequence[Layer], input_shape: Shape, values: Mapping[str, Any], mode: str = "eval"
    ) -> None:
        structure = Structure(tuple(layers), tuple(input_shape))
        self._set(structure, Arena(structure.shapes, values), mode)

    def _set(self, structure: Structure, arena: Arena, mode: str) -> None:
        for name, value in (("structure", structure), ("arena", arena), ("mode", mode)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"networks are never changed in place; `{name}` cannot be set, use `with_parameters(...)`")

    def sharing(self, arena: Arena, mode: str) -> Self:
        """Other parameters or another mode with the same structure, and all that was made from it."""
        found = object.__new__(type(self))
        found._set(self.structure, arena, mode)
        return found

    def __reduce__(self) -> tuple:
        return type(self), (self.layers, self.input_shape, self.arena.values, self.mode)

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.structure.layers

    @property
    def input_shape(self) -> Shape:
        return self.structure.input_shape

    @property
    def output_shape(self) -> Shape:
        return self.structure.output_shape

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return self.structure.shapes

    @property
    def batch_shape(self) -> Shape:
        return self.arena.batch_shape

    @property
    def parameters(self) -> Mapping[str, np.ndarray]:
        return MappingProxyType({name: self.arena.values[name] for name in self.structure.trained})

    @property
    def statistics(self) -> Mapping[str, np.ndarray]:
        return MappingProxyType({k: v for k, v in self.arena.values.items() if k not in self.structure.trained})

    @property
    def n_parameters(self) -> int:
        """Trained parameters of one network."""
        return sum(math.prod(self.shapes[name]) for name in self.structure.trained)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of the input, and of the output of every layer that has weights or is a block."""
        return self.structure.widths

    def with_parameters(self, **values: Any) -> Self:
        """The same network with other parameters or statistics.

        Parameters
        ----------
        **values : array_like
            By name: `net.with_parameters(**{"0.weight": W})`. Axes in front of the own shape make a batch of networks.

        Raises
        ------
        InputError
            For unknown names, wrong shapes, NaN and infinity, batch axes that do not broadcast.
        """
        for name in values:
            if name not in self.shapes:
                raise InputError(f"`{name}` is not a parameter of this network; there are: {', '.join(self.shapes)}.")
        made = {name: cast.real_array(name, value) for name, value in values.items()}
        return self.sharing(Arena(self.shapes, {**self.arena.values, **made}), self.mode)

    def train(self) -> Self:
        """The same network with dropout and the batch's own statistics."""
        return self.sharing(self.arena, "train")

    def eval(self) -> Self:
        """The same network with running statistics and without dropout."""
        return self.sharing(self.arena, "eval")

    @property
    def program(self) -> Program:
        """The table of operations that the kernels read, in the present mode."""
        return self.structure.program(self.mode == "train")

    def __repr__(self) -> str:
        ends = ["x".join(map(str, shape)) for shape in (self.input_shape, self.output_shape)]
        batch = f", batch {self.batch_shape}" if self.batch_shape else ""
        head = f"Network {' -> '.join(ends)}, {self.n_parameters:,} parameters{batch}, {self.mode} mode"
        lines = [f"  {i:>3}  {layer!r:.100}" for i, layer in enumerate(self.layers)]
        if len(lines) > SHOWN:
            left = len(lines) - SHOWN + 1
            lines = [*lines[: SHOWN // 2], f"       ... {left} more layers ...", *lines[-(SHOWN // 2 - 1) :]]
        return "\n".join([head, *lines])
