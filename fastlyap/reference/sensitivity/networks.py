"""Gradients of networks with noise behind their layers, for one member: adjoint form, tangent form and scores.

x_(l+1) = f_l(x_l) + s b_l, Phi a function of the last state, c a number that does not depend on the noise. With shares
beta_l, w the derivative of Phi by the outputs, A_l and B_l those of f_l by state and parameter:

adjoint form, backward from nu = w: mu = (1 - beta) nu + beta (Phi - c) b / s; gradient += B'mu; nu = A'mu;
tangent form: z = A v + B, u = beta z, v = z - u; gradient = w.v + (Phi - c) sum u.b / s;
scores: beta = 1, gradient = (Phi - c) sum B'b / s, and B'w of rules without noise.

The derivative by s is the sum of b.nu, or the tangent whose v has b added behind every layer. Source: Ni, Path-kernel
and Adjoint path-kernel (2025); No-propagate (2023).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap.reference.layers import Noisy, values

Gradient = dict[str, Any]


def adjoint_form(rules: Sequence, x: np.ndarray, w: np.ndarray, gain: float, beta: Sequence[float]) -> Gradient:
    """Derivatives by all parameters, "noise_size" and "x0"; gain = Phi - c, beta of every noise from the first."""
    found: Gradient = {"noise_size": 0.0}
    left = list(beta)
    for rule, before in zip(rules[::-1], values(rules, x)[-2::-1], strict=True):
        inner = rule
        if isinstance(rule, Noisy):
            share, inner = left.pop(), rule.rule
            found["noise_size"] += np.sum(rule.noise * w)
            w = (1 - share) * w + (share * gain * rule.noise / rule.size if share else 0.0)
        found |= inner.gradient(before, w)
        w = inner.adjoint(before, w)
    return found | {"x0": w}


def tangent_form(
    rules: Sequence, x: np.ndarray, w: np.ndarray, gain: float, beta: Sequence[float], wrt: tuple[str, tuple]
) -> float:
    """The derivative by one number: (name, place) of a parameter, ("x0", place) or ("noise_size", ())."""
    v, total, noises = np.zeros(x.shape), 0.0, iter(beta)
    if wrt[0] == "x0":
        v[wrt[1]] = 1.0
    for rule, before in zip(rules, values(rules, x), strict=False):
        noisy = isinstance(rule, Noisy)
        inner = rule.rule if noisy else rule
        v = inner.tangent(before, v) + _parameter_tangent(inner, before, wrt)
        if noisy:
            share = next(noises)
            total += gain * np.sum(share * v * rule.noise) / rule.size if share else 0.0
            v = (1 - share) * v + (rule.noise if wrt[0] == "noise_size" else 0.0)
    return float(np.sum(w * v) + total)


def scores(rules: Sequence, x: np.ndarray, w: np.ndarray, gain: float) -> Gradient:
    """Kernel differentiation: no covector passes a noise."""
    found: Gradient = {}
    for rule, before in zip(rules[::-1], values(rules, x)[-2::-1], strict=True):
        inner = rule
        if isinstance(rule, Noisy):
            inner, w = rule.rule, gain * rule.noise / rule.size
        found |= inner.gradient(before, w)
        w = inner.adjoint(before, w)
    return found


def _parameter_tangent(rule: Any, x: np.ndarray, wrt: tuple[str, tuple]) -> np.ndarray:
    """The derivative of a rule's value by one number of its parameters, from adjoints of unit covectors."""
    y = rule.value(x)
    found = np.zeros(y.shape)
    for place in np.ndindex(y.shape):
        unit = np.zeros(y.shape)
        unit[place] = 1.0
        own = rule.gradient(x, unit)
        found[place] = own[wrt[0]][wrt[1]] if wrt[0] in own else 0.0
    return found
