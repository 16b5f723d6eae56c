"""What would help a recurrent cell, each tried on a copy of it: gain, orthogonal weights, gates and their biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.diagnosis.report import Remedy
from fastlyap.networks import recurrent

FORGET = (1.0, 3.0)  # added to the bias of the forget gate
TENFOLD = 10.0


def suggest(cell: Any, word: str, rate: float, measured: Callable[[Any], float]) -> tuple[Remedy, ...]:
    """Remedies for a cell that vanishes or explodes; `measured` is the rate of a changed cell."""
    if word not in ("vanishing", "exploding"):
        return ()
    about, found = cell.architecture, []

    def attempt(name: str, detail: str, made: Any) -> None:
        found.append(Remedy(name, measured(made), detail))

    hidden = [name for name in cell.parameters if name.endswith("hidden")]
    if about.kind == "random_rnn":
        attempt("gain g = 1", f"for {float(cell.parameters['g']):.3g}", cell.with_parameters(g=1.0))
    elif about.kind == "rnn":
        if np.isfinite(rate):
            factor = float(np.exp(-rate))
            made = {name: factor * np.asarray(cell.parameters[name]) for name in hidden}
            attempt(f"hidden weights times {factor:.3g}", "what the rate asks for", cell.with_parameters(**made))
        made = {name: _orthogonal(cell.parameters[name].shape) for name in hidden}
        attempt("orthogonal hidden weights", "all singular values 1", cell.with_parameters(**made))
    if about.kind == "lstm" and word == "vanishing":
        for more in FORGET:
            attempt(f"forget-gate bias + {more:g}", "the cell state keeps more", _forgetting(cell, more))
    if about.kind == "rnn" and word == "vanishing" and about.inputs:
        made = recurrent.lstm(about.inputs, about.hidden, layers=about.layers, outputs=about.outputs or None)
        attempt("an LSTM of the same size", "gates, forget-gate bias + 1", _forgetting(made, 1.0))
    found.sort(key=lambda remedy: (np.isnan(remedy.rate), abs(remedy.rate)))
    if word == "exploding" and rate > 0:  # not where gradients are no numbers
        detail = f"a window of {max(1, round(np.log(TENFOLD) / rate))} steps lets gradients grow {TENFOLD:g}-fold"
        found.append(Remedy("clip, or cut the window", np.nan, detail))
    return tuple(found)


def _orthogonal(shape: tuple[int, ...]) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(0).standard_normal(shape))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


def _forgetting(cell: Any, more: float) -> Any:
    """The cell with larger biases of its forget gates."""
    H, made = cell.architecture.hidden, {}
    for name, value in cell.parameters.items():
        if name.endswith(".bias") and not name.startswith("readout"):
            made[name] = np.array(value)
            made[name][H : 2 * H] += more
    return cell.with_parameters(**made)
