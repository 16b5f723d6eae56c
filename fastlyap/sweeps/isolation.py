"""Which member of a chunk kills or stalls its worker: the chunk is halved until that member is alone, and marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.sweeps.work import Outcome, Piece, Shapes, filler, halves, outcome_of


def isolate(
    piece: Piece, attempt: Callable[[Piece], Outcome], deadly: tuple[type[BaseException], ...], shapes: Shapes | None
) -> Outcome:
    """The outcome of a piece that failed as a whole.

    Parameters
    ----------
    attempt : computes a piece on a worker; raises one of `deadly` where the worker died or stalled.
    shapes : of the arrays of a member, where they are known from other chunks.
    """
    found: list[tuple[int, Outcome | None]] = []  # points, outcome in their order; None for a lost member
    left = halves(piece) if len(piece.job) > 1 else []
    if not left:
        found.append((1, None))
    while left:
        part = left.pop(0)
        try:
            found.append((len(part.job), attempt(part)))
        except deadly:
            if len(part.job) == 1:
                found.append((1, None))
            else:
                left = halves(part) + left
    return _joined(piece, found, shapes)


def _joined(piece: Piece, found: list[tuple[int, Outcome | None]], shapes: Shapes | None) -> Outcome:
    sound = [outcome for _, outcome in found if outcome is not None]
    if sound and sound[0].arrays is not None:
        shapes = {path: (a.shape[1:], a.dtype) for path, a in sound[0].arrays.items()}
    if shapes is None:
        raise AllLost(piece, sum(points for points, _ in found))
    parts: list[dict[str, Any]] = [
        filler(shapes, points) if outcome is None or outcome.arrays is None else outcome.arrays
        for points, outcome in found
    ]
    arrays = {path: np.concatenate([part[path] for part in parts]) for path in shapes}
    seconds = sum(outcome.seconds for outcome in sound)
    return outcome_of(piece.chunk, seconds, arrays, sound[0].told if sound else None)


class AllLost(RuntimeError):
    """No member of a chunk could be computed."""

    def __init__(self, piece: Piece, points: int) -> None:
        super().__init__(
            f"every one of the {points} members of chunk {piece.chunk} kills or stalls its worker; try one of them by "
            "itself, in this process, to see why."
        )
        self.piece, self.points = piece, points
