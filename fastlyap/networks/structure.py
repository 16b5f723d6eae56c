"""What networks of one architecture share: shapes, and the programs and layouts made from them."""

from __future__ import annotations

import functools
import math
from types import MappingProxyType

import numpy as np

from fastlyap.networks.layers import Layer, Shape, sequence
from fastlyap.networks.program import INPUT, NOISE_SIZE, Program


class Structure:
    """Layers with the shape of their input.

    Attributes
    ----------
    noise : behind which layers there is noise, "" for none, "hidden" for all but the read-out, or "all"
    shapes : own shapes of parameters and statistics, by name
    trained : names of the parameters
    """

    def __init__(self, layers: tuple[Layer, ...], input_shape: Shape, noise: str = "") -> None:
        self.layers, self.input_shape, self.noise = layers, input_shape, noise
        self.steps = tuple(sequence(layers, input_shape))
        self.output_shape = self.steps[-1][0].output(self.steps[-1][1], "") if layers else input_shape
        trained: dict[str, Shape] = {}
        fixed: dict[str, Shape] = {}
        for layer, shape, prefix in self.steps:
            trained |= layer.own(shape, prefix)
            fixed |= layer.fixed(shape, prefix)
        if noise:
            trained[NOISE_SIZE] = ()
        self.trained = tuple(trained)
        self.shapes = MappingProxyType(trained | fixed)

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of a sample's input and output."""
        return math.prod(self.input_shape), math.prod(self.output_shape)

    @functools.cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers of the input, and of the output of every layer that has matrices of weights or is a block."""
        found = [math.prod(self.input_shape)]
        for layer, shape, prefix in self.steps:
            if _weighted(layer, shape, prefix) or hasattr(layer, "layers"):
                found.append(math.prod(layer.output(shape, "")))
        return tuple(found)

    @functools.cached_property
    def _programs(self) -> dict[bool, Program]:
        return {}

    def program(self, train: bool) -> Program:
        """The table of operations that the kernels read."""
        if train not in self._programs:
            program = Program(math.prod(self.input_shape))
            for name in self.shapes:
                program.parameter(name)
            slot = INPUT
            for i, (layer, shape, prefix) in enumerate(self.steps):
                slot, after = layer.lower(program, slot, shape, prefix, train), layer.output(shape, "")
                if i in self.disturbed:
                    slot = program.disturb(slot, math.prod(after))
                program.outputs.append((slot, after))
            program.last = slot
            self._programs[train] = program
        return self._programs[train]

    @functools.cached_property
    def disturbed(self) -> tuple[int, ...]:
        """Numbers of the layers behind which there is noise: those in front of the next weights, and the last."""
        weighted = [i for i, step in enumerate(self.steps) if _weighted(*step)]
        if not weighted or not self.noise:
            return ()
        last = (len(self.steps) - 1,) if self.noise == "all" else ()
        return (*(i - 1 for i in weighted[1:]), *last)

    @functools.cached_property
    def _layouts(self) -> dict[int, tuple[np.ndarray, dict[str, int], int]]:
        return {}

    def gradient_layout(self, members: int) -> tuple[np.ndarray, dict[str, int], int]:
        """Where the adjoints of the parameters of all members go: (members, names), where each begins, numbers."""
        if members not in self._layouts:
            table = np.zeros((members, len(self.shapes)), dtype=np.int64)
            starts, start = {}, 0
            for i, (name, own) in enumerate(self.shapes.items()):
                if name in self.trained:
                    table[:, i] = start + np.arange(members) * math.prod(own)
                    starts[name] = start
                    start += members * math.prod(own)
            self._layouts.clear()  # one call after the other wants the same
            self._layouts[members] = table, starts, start
        return self._layouts[members]


def _weighted(layer: Layer, shape: Shape, prefix: str) -> bool:
    """Whether matrices or kernels of weights are in it."""
    return max(map(len, layer.own(shape, prefix).values()), default=0) > 1
