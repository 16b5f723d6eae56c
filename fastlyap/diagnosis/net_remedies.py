"""What would help a feedforward network, each tried on a copy of it: weights, norms, blocks, activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.diagnosis.report import Position, Remedy
from fastlyap.networks.build import Sequential
from fastlyap.networks.layers import Activation, Dense, Layer, Residual
from fastlyap.networks.normalisation_layers import LayerNorm

KINKED = ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus")
PLAIN = {"Dense", "Activation", "Dropout", "BatchNorm", "LayerNorm"}
CLIP = 1.0  # times the median norm


def plain(net: Any) -> bool:
    """Whether the layers are dense ones, activations and norms in a row."""
    return {type(layer).__name__ for layer in net.layers} <= PLAIN


def scaled(net: Any, factor: float) -> Any:
    """All weights but those of the read-out times a factor."""
    names = [name for name in net.parameters if name.endswith("weight") and len(net.shapes[name]) > 1][:-1]
    return net.with_parameters(**{name: factor * net.parameters[name] for name in names})


def redrawn(net: Any, init: str, gain: float, activation: str | None = None) -> Any:
    """The same layers with new weights, and maybe another activation."""
    layers = []
    for layer in net.layers:
        if isinstance(layer, Dense):
            layer = replace(layer, init=init, gain=gain)
        elif isinstance(layer, Activation) and activation:
            layer = Activation(activation)
        layers.append(layer)
    return Sequential(layers, input_shape=net.input_shape)


def normalised(net: Any) -> Any:
    """Layer norm behind every dense layer but the last."""
    last = max(i for i, layer in enumerate(net.layers) if isinstance(layer, Dense))
    layers: list[Layer] = []
    for i, layer in enumerate(net.layers):
        layers.append(layer)
        if isinstance(layer, Dense) and i < last:
            layers.append(LayerNorm(layer.outputs))
    return _with_weights(net, layers)


def bypassed(net: Any, beta: float) -> Any:
    """Dense layers between equal widths, with their activations, as blocks x + beta F(x)."""
    layers: list[Layer] = []
    for layer in net.layers:
        before = layers[-1] if layers else None
        if isinstance(layer, Activation) and isinstance(before, Dense) and before.inputs == before.outputs:
            layers[-1] = Residual([before, layer], beta=beta)
        else:
            layers.append(layer)
    return _with_weights(net, layers)


def _with_weights(net: Any, layers: list[Layer]) -> Any:
    """A network of these layers with the dense weights of `net`."""
    made = Sequential(layers, input_shape=net.input_shape)
    pairs = zip(_dense(net.layers), _dense(layers), strict=True)
    names = {new + end: old + end for old, new in pairs for end in ("weight", "bias") if new + end in made.parameters}
    return made.with_parameters(**{new: net.parameters[old] for new, old in names.items()})


def _dense(layers: Any, prefix: str = "") -> Iterator[str]:
    """Prefixes of the names of dense parameters."""
    for i, layer in enumerate(layers):
        if isinstance(layer, Dense):
            yield f"{prefix}{i}."
        elif isinstance(layer, Residual):
            yield from _dense(layer.layers, f"{prefix}{i}.")


def suggest(
    net: Any, word: str, rate: float, position: Position | None, norm: np.ndarray, measured: Callable[[Any], float]
) -> tuple[Remedy, ...]:
    """Remedies for a network that vanishes or explodes; `measured` is the rate of a changed network."""
    if word not in ("vanishing", "exploding"):
        return ()
    found: list[Remedy] = []

    def attempt(name: str, detail: str, made: Any) -> None:
        found.append(Remedy(name, measured(made), detail))

    _scale(net, rate, position, attempt)
    if plain(net):
        _layers(net, position, attempt)
    found.sort(key=lambda remedy: (np.isnan(remedy.rate), abs(remedy.rate)))
    if word == "exploding" and np.isfinite(norm).all():
        detail = f"the median norm of the parameters' gradient is {norm[0]:.3g}, the largest {norm[2]:.3g}"
        found.append(Remedy(f"clip at a norm of {CLIP * norm[0]:.3g}", np.nan, detail))
    return tuple(found)


def _scale(net: Any, rate: float, position: Position | None, attempt: Callable[..., None]) -> None:
    """Weights times a factor: to the edge of mean-field theory where there is one, else against the measured rate."""
    if position is not None and np.isfinite(position.critical_sigma_w) and position.sigma_w > 0:
        factor = position.critical_sigma_w / position.sigma_w
        detail = f"to sigma_w = {position.critical_sigma_w:.3g}, where mean field predicts 0"
    elif np.isfinite(rate):
        factor, detail = float(np.exp(-rate)), "what the rate asks for if slopes stay as they are"
    else:
        return
    attempt(f"weights times {factor:.3g}", detail, scaled(net, factor))


def _layers(net: Any, position: Position | None, attempt: Callable[..., None]) -> None:
    names = [layer.name for layer in net.layers if isinstance(layer, Activation)]
    name = names[0] if names else "identity"
    edge = position.critical_sigma_w if position is not None else np.nan
    gain = float(edge) if np.isfinite(edge) else np.sqrt(2.0) if name in KINKED else 1.0
    if name in KINKED:
        attempt("He initialisation", "weights of variance 2 / inputs", redrawn(net, "he", 1.0))
    else:
        attempt("Xavier initialisation", "weights of variance 2 / (inputs + outputs)", redrawn(net, "xavier", 1.0))
    attempt("orthogonal weights", f"with gain {gain:.3g}", redrawn(net, "orthogonal", gain))
    if name == "sigmoid":
        made = redrawn(net, "xavier", 1.0, "tanh")
        attempt("tanh for sigmoid", "with Xavier's weights: slopes up to 1, not 1/4", made)
    if not any(isinstance(layer, LayerNorm) for layer in net.layers):
        attempt("layer norm", "before the activations", normalised(net))
    square = [layer for layer in net.layers if isinstance(layer, Dense) and layer.inputs == layer.outputs]
    if square:
        beta = 1.0 / np.sqrt(len(square))
        attempt("residual blocks", f"x + {beta:.2g} F(x), the scale being 1 / sqrt(layers)", bypassed(net, beta))
