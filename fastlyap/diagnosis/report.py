"""The result of `fl.diagnose`: numbers of every layer or step, a verdict with its reason, remedies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlyap.diagnosis import text


@dataclass(frozen=True)
class Position:
    """Where a network lies in mean-field theory.

    Attributes
    ----------
    activation : str
    sigma_w, sigma_b : measured, of weights times the root of the number of inputs, and of biases
    q : variance of the pre-activations that such a network settles at
    chi_1 : factor per layer of the mean square of gradients; 1 is the edge of chaos
    critical_sigma_w : where the edge is with these biases; NaN where there is none
    """

    activation: str
    sigma_w: float
    sigma_b: float
    q: float
    chi_1: float
    critical_sigma_w: float

    @property
    def rate(self) -> float:
        """log(chi_1) / 2, nats per layer."""
        with np.errstate(divide="ignore"):
            return float(0.5 * np.log(self.chi_1))


@dataclass(frozen=True)
class Remedy:
    """Something to try.

    Attributes
    ----------
    name : what to change
    rate : growth of gradients towards the input with it, nats per layer or step, measured on the changed network; NaN
        where it changes something else
    detail : what the change is here
    """

    name: str
    rate: float
    detail: str


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """How signals and gradients fare; `print` it. Norms are those of one sample's gradient, over samples.

    Attributes
    ----------
    kind : "net" (the entries below are layers, inputs first) or "cell" (steps, first step first)
    names : (L,) of layers or steps
    widths : (L,)
    variance : (L,) mean square of the pre-activations (nets) or states (cells)
    gradient_median, gradient_rms, gradient_max : (L,)
        Over samples, of the norm of the loss's gradient by the pre-activations or states.
    dead : (L,) share of units whose slope is 0 for all samples; saturated : (L,) share of slopes below a tenth of the
        largest that the activation has; NaN for cells
    weight_condition : (L,) condition numbers of the weights; NaN where there is no single matrix
    rate, rate_rms : float
        Slope of the logarithm of the median and of the rms norm towards the input, nats per layer or step.
    exponents : (k,) medians over samples of the exponents of the same layers or steps, largest first
    expected_rate : growth of the rms of random covectors that all exponents together imply; NaN where not all are known
    condition : log10 of the condition number of the whole Jacobian, median over samples
    position : Position or None
    verdict : "vanishing", "exploding", "edge" or "healthy"
    number, threshold : what the verdict rests on, `reason` in words
    parameter_norm : (3,) median, rms and largest norm of the gradient by all parameters, over batches; NaN for cells
    remedies : tuple of Remedy
    cotangents : "random" or the loss
    n_samples : int
    notes : tuple of str
    """

    kind: str
    names: tuple[str, ...]
    widths: np.ndarray
    variance: np.ndarray
    gradient_median: np.ndarray
    gradient_rms: np.ndarray
    gradient_max: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    weight_condition: np.ndarray
    rate: float
    rate_rms: float
    exponents: np.ndarray
    expected_rate: float
    condition: float
    position: Position | None
    verdict: str
    number: float
    threshold: float
    reason: str
    parameter_norm: np.ndarray
    remedies: tuple[Remedy, ...]
    cotangents: str
    n_samples: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return text.of(self)

    @property
    def unit(self) -> str:
        """Of rates and exponents."""
        return "nats per layer" if self.kind == "net" else "nats per step"
