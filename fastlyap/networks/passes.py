"""What passes through a network give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from fastlyap.networks.values import Values


class Backward(NamedTuple):
    """What a backward pass gives.

    Attributes
    ----------
    input : (..., B, n_0), adjoint of the input; None where it was not asked for.
    parameters : adjoints of the parameters by name, batch shape + own shape, summed over the samples.
    """

    input: np.ndarray | None
    parameters: Mapping[str, np.ndarray]


class LossGradient(NamedTuple):
    """A loss and its derivatives: `value` (batch shape), `output` (..., B, m), the rest as in `Backward`."""

    value: np.ndarray
    output: np.ndarray
    input: np.ndarray | None
    parameters: Mapping[str, np.ndarray]


class Descent(NamedTuple):
    """A step of gradient descent: the network after it, and the loss (batch shape) before it."""

    network: Values
    value: np.ndarray
