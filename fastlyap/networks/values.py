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
from fastlyap.networks.program import NOISE_SIZE, Program
from fastlyap.networks.structure import Structure

SHOWN = 18  # lines of a network's repr


class Values:
    """Layers and their parameters; what `Network` computes with."""

    structure: Structure
    arena: Arena
    mode: str

    def __init__(
        self, layers: Sequence[Layer], input_shape: Shape, values: Mapping[str, Any], mode: str = "eval",
        noise: str = "",
    ) -> None:  # fmt: skip
        structure = Structure(tuple(layers), tuple(input_shape), noise)
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
        return type(self), (self.layers, self.input_shape, self.arena.values, self.mode, self.structure.noise)

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

    def with_noise(self, sigma: Any, *, readout: bool = True) -> Self:
        """The same network with Gaussian noise behind every layer, of size sigma, its new parameter `noise_size`.

        y_l = layer_l(y_(l-1)) + sigma b_l, b_l independent standard normals. One layer is a weighted map with what
        follows it up to the next; a `Residual` block is one, whatever is in it. Noise is there in both modes, and
        follows from seed, member, sample and unit alone.

        Parameters
        ----------
        sigma : number >= 0, or with batch axes
        readout : bool
            Whether the last layer has noise too. Without it the read-out is part of the objective: kernel methods
            leave its own weights on the path, which is exact and has less variance where the objective is smooth.

        Returns
        -------
        Network

        Raises
        ------
        InputError
            For sizes below 0, for networks without weights, and where only the read-out could have noise.

        Examples
        --------
        >>> import fastlyap as fl
        >>> net = fl.networks.mlp((9, 9, 9)).with_noise(0.5)
        >>> list(net.parameters)
        ['0.weight', '0.bias', '2.weight', '2.bias', 'noise_size']
        """
        size = cast.real_array("sigma", sigma)
        if np.any(size < 0):
            raise InputError(f"`sigma` must be at least 0, got {sigma!r:.60}.")
        if not isinstance(readout, bool):
            raise InputError(f"`readout` must be True or False, got {readout!r}.")
        kind = "all" if readout else "hidden"
        values = {**self.arena.values, NOISE_SIZE: size}
        found = type(self)(self.layers, self.input_shape, values, self.mode, kind)
        if not found.program.normals:
            raise InputError("`with_noise` needs layers to put noise behind: the network has none"
                             + (" but the read-out; use readout=True." if kind == "hidden" else "."))  # fmt: skip
        return found

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
        noise = {"": "", "all": ", noise behind layers", "hidden": ", noise behind hidden layers"}[self.structure.noise]
        head = f"Network {' -> '.join(ends)}, {self.n_parameters:,} parameters{batch}, {self.mode} mode{noise}"
        lines = [f"  {i:>3}  {layer!r:.100}" for i, layer in enumerate(self.layers)]
        if len(lines) > SHOWN:
            left = len(lines) - SHOWN + 1
            lines = [*lines[: SHOWN // 2], f"       ... {left} more layers ...", *lines[-(SHOWN // 2 - 1) :]]
        return "\n".join([head, *lines])
