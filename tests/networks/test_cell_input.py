"""Wrong arguments of recurrent cells: refused before anything compiles, with the key and the remedy."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks
from tests.networks.recurrent_cells import cell, drive

MADE = cell("lstm")


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """Nothing may be compiled here."""

    def refuse(*_):
        raise AssertionError("a kernel was loaded")

    monkeypatch.setattr("fastlyap.backend.cpu.load", refuse)


REFUSED = [
    (dict(), r"`drive` is missing: lstm reads 2 inputs .* drive=0"),
    (dict(drive=drive(50, 3)), r"`drive` must have shape \(..., T, 2\), got \(50, 3\)"),
    (dict(drive=drive(50)[:, 0]), r"`drive` must have shape \(..., T, 2\), got \(50,\)"),
    (dict(drive=1.0), r"`drive` must have shape"),
    (dict(drive=drive(0)), "`drive` must have at least one step"),
    (dict(drive=np.full((50, 2), np.nan)), "`drive` must be finite"),
    (dict(drive=drive(50), steps=51), "`drive` has 50 steps and 51 are asked for"),
    (dict(drive=drive(50), steps=50, transient=1), "`drive` has 50 steps and 51 are asked for"),
    (dict(drive=drive(50), transient=50), "`transient` must leave a step of the drive's 50"),
    (dict(drive=drive(50), steps=30, transient=15, direction="adjoint"), "`drive` has 50 steps and 60 are asked for"),
    (dict(drive=drive(50), t0=0.5), "`t0` is the number of the first step"),
    (dict(drive=drive(50), dt=0.1), "`dt` has no meaning for a map"),
    (dict(drive=lambda t: np.zeros(3), steps=5), r"`drive` must return one shape \(..., 2\)"),
    (dict(drive=drive(50), subspace=np.eye(8)[:2]), "`subspace` needs a recorded rule"),
    (dict(drive=drive(50), backend="cuda"), "cuda"),
    (dict(drive=drive(50, lead=(3,)), x0=np.zeros((2, 8))), "batch shapes must broadcast together"),
]


@pytest.mark.parametrize("how,message", REFUSED)
def test_calls(how, message):
    with pytest.raises(fl.InputError, match=message):
        fl.spectrum(MADE, **how)


@pytest.mark.parametrize("verb", [fl.trajectory, fl.vectors, fl.finite_time, fl.gali, fl.maximal])
def test_every_verb_asks_for_the_drive(verb):
    with pytest.raises(fl.InputError, match="`drive` is missing"):
        verb(MADE, steps=5)
    with pytest.raises(fl.InputError, match="`drive` has 5 steps and "):
        verb(MADE, steps=6, drive=drive(5), every=1) if verb is fl.gali else verb(MADE, steps=6, drive=drive(5))


@pytest.mark.parametrize("system,why", [
    (networks.random_rnn(4), "reads no inputs"), (MADE.closed_loop(), "is its own read-out"),
    (fl.systems.henon(), "reads no inputs"),
])  # fmt: skip
def test_a_drive_that_nobody_reads(system, why):
    with pytest.raises(fl.InputError, match=f"`drive` must be left out for {system.name}.*{why}"):
        fl.spectrum(system, drive=drive(50))


def test_without_a_drive_steps_are_needed_as_ever():
    for verb in (fl.trajectory, fl.vectors, fl.finite_time):
        with pytest.raises(fl.InputError, match="`steps` is missing"):
            verb(fl.systems.henon())


def test_weights():
    with pytest.raises(fl.InputError, match=r"`0.hidden` must be finite"):
        MADE.with_parameters(**{"0.hidden": np.full((4, 16), np.nan)})
    with pytest.raises(fl.InputError, match=r"`0.input` must have shape \(..., 2, 16\), got \(16, 2\)"):
        MADE.with_parameters(**{"0.input": np.zeros((16, 2))})
    with pytest.raises(fl.InputError, match="knows no `1.hidden` in lstm; there are: 0.input"):
        MADE.with_parameters(**{"1.hidden": 0.0})
    with pytest.raises(fl.InputError, match="batch axes of the weights must broadcast"):
        MADE.with_parameters(**{"0.input": np.zeros((3, 2, 16)), "0.bias": np.zeros((2, 16))})
    with pytest.raises(fl.InputError, match=r"`parameters\['0.hidden'\]` must be finite"):
        fl.spectrum(MADE, parameters={"0.hidden": np.full((4, 16), np.inf)}, drive=drive(5))
    with pytest.raises(fl.InputError, match=r"`parameters\['0.bias'\]` must have shape \(..., 16\)"):
        fl.spectrum(MADE, parameters={"0.bias": np.zeros((16, 2))}, drive=drive(5))


def test_making_cells():
    with pytest.raises(fl.InputError, match="`hidden` must be a whole number >= 1"):
        networks.rnn(2, 0)
    with pytest.raises(fl.InputError, match=r"`hidden` must be one .*got \(64, 32\): stacks of different sizes"):
        networks.lstm(2, (64, 32), 2)
    with pytest.raises(fl.InputError, match="`activation` must be one of"):
        networks.rnn(2, 3, activation="tan")
    with pytest.raises(fl.InputError, match="`variant` must be one of"):
        networks.gru(2, 3, variant="keras")
    with pytest.raises(fl.InputError, match="`seed` must be a whole number"):
        networks.random_rnn(3, seed=0.5)
    with pytest.raises(fl.InputError, match="`closed_loop` needs a read-out as wide as the inputs.*got 3 outputs"):
        networks.rnn(2, 4, outputs=3).closed_loop()
    with pytest.raises(fl.InputError, match="got no read-out"):
        networks.rnn(2, 4).closed_loop()
    with pytest.raises(fl.InputError, match="autonomous already"):
        networks.random_rnn(4).closed_loop()


def test_inputs_of_the_rule():
    with pytest.raises(fl.InputError, match="`u` is missing"):
        MADE.rule(MADE.x0)
    with pytest.raises(fl.InputError, match=r"`u` must have shape \(..., 2\)"):
        MADE.jacobian(MADE.x0, u=np.zeros(3))
    with pytest.raises(fl.InputError, match="`u` must be left out"):
        MADE.closed_loop().rule(MADE.x0, u=np.zeros(2))
    with pytest.raises(fl.InputError, match="`x` must have shape"):
        MADE.rule(np.zeros(7), u=np.zeros(2))
