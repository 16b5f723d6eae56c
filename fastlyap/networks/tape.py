"""Operations on stacks of a state and its tangents, kept to go back through: second derivatives of what was done.

A stack Z (B, 1 + k, m) holds a state and the k tangents behind it as rows. What weights do to it is one product for all
rows; units do it elementwise, which the tangents follow by slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastlyap.networks.unit_functions import unit
from fastlyap.trace.evaluate import replay


class Tape:
    """A step that was taken, to go back through: operations on stacks, in order.

    weights : {key: (B, own shape)}; stacks are told by their places.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], Z: np.ndarray) -> None:
        self.weights = weights
        self.stacks = [Z]
        self._back: list[Callable[[list, dict], None]] = []

    def _done(self, Z: np.ndarray, back: Callable[[list, dict], None]) -> int:
        self.stacks.append(Z)
        self._back.append(back)
        return len(self.stacks) - 1

    def still(self, values: np.ndarray, key: str = "") -> int:
        """A stack of values (B, m) that no tangent moves; or of the weight `key` (B,), the same for all m."""
        Z = np.zeros((*self.stacks[0].shape[:-1], values.shape[-1]))
        Z[:, 0] = values
        made = len(self.stacks)
        return self._done(Z, lambda S, G: _add(G, key, S[made][..., 0, :].sum(axis=-1)) if key else None)

    def part(self, a: int, columns: slice) -> int:
        """Some columns of a stack."""
        made = len(self.stacks)

        def back(S: list, G: dict) -> None:
            if S[made] is not None:
                if S[a] is None:
                    S[a] = np.zeros((*S[made].shape[:-1], self.stacks[a].shape[-1]))
                S[a][..., columns] += S[made]

        return self._done(self.stacks[a][..., columns], back)

    def plus(self, a: int, b: int) -> int:
        """The sum of two stacks."""
        made = len(self.stacks)

        def back(S: list, G: dict) -> None:
            for place in (a, b):
                _add(S, place, 1.0 * S[made])

        return self._done(self.stacks[a] + self.stacks[b], back)

    def joined(self, parts: list[int]) -> int:
        """Stacks side by side."""
        made, edges = len(self.stacks), np.cumsum([self.stacks[a].shape[-1] for a in parts])[:-1]

        def back(S: list, G: dict) -> None:
            for a, piece in zip(parts, np.split(S[made], edges, axis=-1), strict=True):
                _add(S, a, 1.0 * piece)

        return self._done(np.concatenate([self.stacks[a] for a in parts], axis=-1), back)

    def linear(self, terms: list[tuple[int, str]], biases: list[str], columns: slice = slice(None)) -> int:
        """The sum of stacks times weights, of which only some columns; biases move the state alone."""
        W = {key: self.weights[key][..., columns] for key in (*(key for _, key in terms), *biases)}
        made, width = len(self.stacks), next(iter(W.values())).shape[-1]
        total = np.zeros((*self.stacks[0].shape[:-1], width))
        for a, key in terms:
            total += self.stacks[a] @ W[key]
        for key in biases:
            total[:, 0] += W[key]

        def back(S: list, G: dict) -> None:
            for a, key in terms:
                _add(S, a, S[made] @ W[key].swapaxes(-1, -2))
                self._learn(G, key, self.stacks[a].swapaxes(-1, -2) @ S[made], columns)
            for key in biases:
                self._learn(G, key, S[made][..., 0, :], columns)

        return self._done(total, back)

    def _learn(self, G: dict, key: str, value: np.ndarray, columns: slice) -> None:
        """Add to the gradient by some columns of a weight."""
        if key not in G:
            front = value.shape[: value.ndim - self.weights[key].ndim + 1]
            G[key] = np.zeros((*front, *self.weights[key].shape[1:]))
        G[key][..., columns] += value

    def units(self, name: str, arguments: list[int]) -> list[int]:
        """The values of a unit's function, stacks of their own."""
        rule, given, first = unit(name), [self.stacks[a] for a in arguments], len(self.stacks)
        found = replay(rule.nodes, [Z[:, 0] for Z in given])
        slope = {key: np.asarray(found[place])[..., None, :] for key, place in rule.first.items()}
        bend = {key: found[place] for key, place in rule.second.items()}

        def back(S: list, G: dict) -> None:
            reached = [S[first + o] is not None for o in range(rule.values)]
            for (o, j), factor in slope.items():
                if reached[o]:
                    _add(S, arguments[j], factor * S[first + o])
            for (o, j, m), factor in bend.items():
                if reached[o]:
                    S[arguments[m]][..., 0, :] += factor * (S[first + o][..., 1:, :] * given[j][:, 1:]).sum(axis=-2)

        for o in range(rule.values):
            moved = sum(factor * given[j][:, 1:] for (p, j), factor in slope.items() if p == o)
            self._done(np.concatenate([found[o][:, None], moved], axis=1), back if o == 0 else _nothing)
        return list(range(first, first + rule.values))

    def pull(self, cotangent: np.ndarray, gradient: dict[str, np.ndarray]) -> np.ndarray:
        """The covectors (..., B, 1 + k, .) of the first stack from those of the last; the weights' go to `gradient`."""
        S: list = [None] * len(self.stacks)
        S[-1] = cotangent
        for back in reversed(self._back):
            back(S, gradient)
        return S[0]


def _nothing(S: list, G: dict) -> None:
    """Outputs of one function go back together, with the first."""


def _add(where: Any, key: Any, value: np.ndarray) -> None:
    held = where.get(key) if isinstance(where, dict) else where[key]
    where[key] = value if held is None else held + value
