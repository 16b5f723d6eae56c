"""What a machine offers the host loop: a batch of members that can be advanced in slices and read back."""

from typing import Any, Protocol

import numpy as np

from fastlyap.request import Integration


class Batch(Protocol):
    """Members on a machine. `step` numbers count from the start of the averaging; see `kernel.growth`."""

    def grow(self, how: Integration, t0: float, k: int, step: int, n_steps: int, every: int) -> None:
        """Advance state and frame, accumulating growth."""

    def settle(self, how: Integration, k: int, step: int) -> None:
        """Close a last, shorter interval with a reorthonormalisation."""

    def follow(self, how: Integration, t0: float, step: int, n_steps: int, stride: int, full: bool) -> np.ndarray:
        """Advance the state alone; (members, n_steps // stride, n) states."""

    def forget_growth(self, k: int) -> None:
        """Begin the accumulation of growth anew; the divergence stays."""

    def checkpoint(self) -> Any:
        """State and step proposal of every member, to go back to."""

    def pull_back(
        self, how: Integration, t0: float, k: int, start: Any, first: int, n_steps: int, pulled: int, every: int
    ) -> None:
        """Pull the frame back over `n_steps` steps from `first`, whose state is the checkpoint `start`."""

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows S and A of every member, (members, rows)."""
