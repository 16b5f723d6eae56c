"""The cliff that makes clipping necessary: gradients of one unit after fifty steps (Pascanu, Mikolov & Bengio 2013)."""

import numpy as np
import pytest

import fastlyap as fl

STEPS = 50


@fl.iterated_map(state="x", parameters=dict(w=5.0, b=-2.5), x0=(0.5,))
def unit(t, x, p):
    return p.w * fl.math.sigmoid(x[0]) + p.b


def gradients(method, w, b):
    """Of (sigmoid(x_50) - 0.7)^2 by w and b: (2, ...)."""
    loss = fl.terminal(lambda x, p: (fl.math.sigmoid(x[0]) - 0.7) ** 2)
    found = fl.gradient(
        unit, loss, parameters=fl.grid(w=w, b=b), steps=STEPS, transient=0, members=1, method=method, spread=0.0
    )
    return np.stack([found.gradient["w"], found.gradient["b"]])


@pytest.mark.compiled
def test_the_cliff():
    """On a grid of 301 x 241 points."""
    w, b = np.linspace(4.0, 7.0, 301), np.linspace(-3.2, -2.0, 241)
    norm = np.hypot(*gradients(fl.Backprop(), w, b))
    assert norm.max() == pytest.approx(3319.98, rel=1e-3)
    i, j = np.unravel_index(norm.argmax(), norm.shape)
    assert w[i] == pytest.approx(4.94) and b[j] == pytest.approx(-2.575)
    assert np.median(norm) == pytest.approx(0.0709, rel=1e-3)


def test_clipping_keeps_the_direction():
    """The norm becomes the smaller of itself and the threshold."""
    w, b = np.linspace(4.5, 5.5, 5), np.linspace(-2.8, -2.3, 4)
    whole, clipped = gradients(fl.Backprop(), w, b), gradients(fl.Backprop(clip=0.05), w, b)
    norm = np.hypot(*whole)
    np.testing.assert_allclose(np.hypot(*clipped), np.minimum(norm, 0.05), rtol=1e-12)
    np.testing.assert_allclose(clipped * norm, whole * np.hypot(*clipped), rtol=1e-10, atol=1e-15)
