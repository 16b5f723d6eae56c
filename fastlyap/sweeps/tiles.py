"""Chunks of a batch: boxes that are runs of the flat batch, whole along the last axes and single along the first.

The chunks of the arrays on disk are the same boxes, so that every chunk has one writer.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tiles:
    """A batch shape cut into boxes of at most `box` members along each axis."""

    shape: tuple[int, ...]
    box: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """How many boxes there are along each axis."""
        return tuple(-(-m // c) for m, c in zip(self.shape, self.box, strict=True))

    def __len__(self) -> int:
        return math.prod(self.grid)

    def slices(self, number: int) -> tuple[slice, ...]:
        """Where box `number` lies in the batch."""
        place = np.unravel_index(number, self.grid) if self.grid else ()
        return tuple(
            slice(int(i) * c, min(int(i) * c + c, m)) for i, c, m in zip(place, self.box, self.shape, strict=True)
        )

    def extent(self, number: int) -> tuple[int, ...]:
        """The shape of box `number`."""
        return tuple(part.stop - part.start for part in self.slices(number))

    def run(self, number: int) -> slice:
        """The members of box `number` in the flat batch."""
        parts = self.slices(number)
        first = np.ravel_multi_index([part.start for part in parts], self.shape) if parts else 0
        return slice(int(first), int(first) + math.prod(self.extent(number)))

    def points(self, number: int) -> int:
        """How many members box `number` has."""
        return math.prod(self.extent(number))


def cut(shape: tuple[int, ...], most: int) -> Tiles:
    """Boxes of about `most` members, at least one."""
    box = [1] * len(shape)
    room = max(1, most)
    for axis in reversed(range(len(shape))):
        box[axis] = max(1, min(shape[axis], room))
        room //= box[axis]
        if box[axis] < shape[axis]:
            break
    return Tiles(tuple(shape), tuple(box))
