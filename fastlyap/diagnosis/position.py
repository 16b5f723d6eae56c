"""Where a network lies between order and chaos, from the spread of its own weights and biases."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.diagnosis.report import Position
from fastlyap.networks.layers import Activation, Dense
from fastlyap.networks.mean_field import critical_sigma_w, mean_field


def of_net(net: Any) -> tuple[Position | None, str]:
    """The position of a plain multilayer perceptron, or why there is none."""
    kinds = {type(layer).__name__ for layer in net.layers} - {"Dense", "Activation", "Dropout", "Flatten"}
    names = {layer.name for layer in net.layers if isinstance(layer, Activation)} - {"identity"}
    dense = [i for i, layer in enumerate(net.layers) if isinstance(layer, Dense)][:-1]
    if kinds or len(names) != 1 or len(dense) < 2:
        why = f"with {', '.join(sorted(kinds))}" if kinds else "with one activation and two hidden layers or more"
        return None, f"no mean-field position: the theory here is for plain nets, {'not ' if kinds else ''}{why}"
    weights = [net.parameters[f"{i}.weight"] for i in dense[1:]]  # the first reads inputs, not activations
    biases = [net.parameters[f"{i}.bias"] for i in dense[1:] if f"{i}.bias" in net.parameters]
    sigma_w = np.sqrt(np.mean([np.mean(W**2) * W.shape[0] for W in weights]))
    sigma_b = np.sqrt(np.mean([np.mean(b**2) for b in biases])) if biases else 0.0
    return of(names.pop(), float(sigma_w), float(sigma_b)), ""


def of(activation: str, sigma_w: float, sigma_b: float) -> Position:
    """The position of these spreads."""
    found = mean_field(activation, sigma_w, sigma_b)
    edge = float(critical_sigma_w(activation, sigma_b))
    return Position(activation, sigma_w, sigma_b, float(found.q), float(found.chi_1), edge)
