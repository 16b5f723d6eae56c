"""What the bridges refuse, in words, before any framework is needed."""

import importlib

import numpy as np
import pytest
from bridges.observables import OBJECTIVE, logistic, twisted

import fastlyap as fl
from fastlyap.bridges.observable import Observable


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"untrusted": "ignore"}, "`untrusted` must be one of 'warn', 'raise', 'nan', got 'ignore'"),
        ({"system": 3}, "`system` must be a fastlyap System"),
        ({"objective": len}, "`objective` must be fl.average"),
        ({"wrt": "r"}, "`wrt` is no argument of a bridge"),
        ({"step": 3}, "arguments of fl.gradient, but got an unexpected keyword argument 'step'"),
    ],
)
def test_wrong_arguments(changes, words):
    given = {"system": logistic, "objective": OBJECTIVE, "untrusted": "warn"} | changes
    fixed = {name: given.pop(name) for name in ("wrt", "step") if name in given}
    with pytest.raises(fl.InputError, match=words):
        Observable(*given.values(), fixed)


def test_wrong_names_and_shapes():
    turn = Observable(twisted, OBJECTIVE, "warn", {"parameters": {"a": np.ones(4)}, "x0": np.ones((3, 1, 2))})
    with pytest.raises(fl.InputError, match="has no `b` in twisted; there are: w, a, x0"):
        turn.names({"b": 1.0})
    with pytest.raises(fl.InputError, match="needs the arrays to differentiate by"):
        turn.names({})
    with pytest.raises(fl.InputError, match=r"`w` must have shape \(..., 2\), got \(3,\)"):
        turn.shapes(("w",), [(3,)])
    with pytest.raises(fl.InputError, match="has no `x0` in this network; there are: 0.weight"):
        Observable(fl.networks.mlp((2, 2)), fl.loss.mse([[0.0, 0.0]]), "warn", {"x0": [[1.0, 2.0]]}).names({"x0": 1})
    assert turn.shapes(("w", "x0"), [(5, 1, 2), (2,)]) == ((5, 4), 4)
    assert turn.shapes(("w",), [(2,)]) == ((3, 4), 2)


def test_a_framework_that_is_missing_is_named(monkeypatch):
    def absent(name):
        raise ImportError(name)

    bridges = fl.bridges  # loaded before imports are broken
    monkeypatch.setattr(importlib, "import_module", absent)
    for bridge in (bridges.torch, bridges.jax):
        with pytest.raises(ImportError, match=r'pip install "fastlyap\[(torch|jax)\]"'):
            bridge.mean_observable(logistic, OBJECTIVE)
