"""Small cells of every kind for the tests of recurrent networks, with biases and read-outs that are not zero."""

import numpy as np

from fastlyap import networks

MAKE = {
    "rnn": lambda **more: networks.rnn(2, 3, 2, outputs=2, gain=1.5, activation="sigmoid", **more),
    "lstm": lambda **more: networks.lstm(2, 4, outputs=2, gain=3.0, **more),
    "lstm_stack": lambda **more: networks.lstm(2, 3, 2, outputs=2, gain=3.0, **more),
    "gru": lambda **more: networks.gru(2, 3, 2, outputs=2, gain=2.0, **more),
    "gru_original": lambda **more: networks.gru(2, 3, 2, outputs=2, gain=2.0, variant="original", **more),
}


def cell(name, closed=False, **more):
    """A cell with random biases and read-outs."""
    made = MAKE[name](**more)
    rng = np.random.default_rng(5)
    new = {k: rng.standard_normal(np.shape(v)) for k, v in made.parameters.items() if "bias" in k or "readout" in k}
    made = made.with_parameters(**new)
    return made.closed_loop() if closed else made


def drive(steps, inputs=2, seed=11, lead=()):
    """Random inputs (..., steps, inputs)."""
    return np.random.default_rng(seed).standard_normal((*lead, steps, inputs))
