"""Wrong arguments of networks: every error names the layer, the key or the argument."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.errors import InputError
from fastlyap.networks import (
    Activation,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    Residual,
    Sequential,
    mlp,
)

NET = mlp((4, 3, 2))
X = np.ones((5, 4))

WRONG = {
    "layer 1: Dense(inputs=4, outputs=2": lambda: Sequential([Dense(4, 3), Dense(4, 2)]),
    "width 4, got width 3": lambda: Sequential([Dense(4, 3), Dense(4, 2)]),
    "layer 1.0: Dense": lambda: Sequential([Dense(4, 3), Residual([Dense(4, 3)])]),
    "must keep the shape": lambda: Sequential([Residual([Dense(4, 3)])]),
    "put Flatten() before it": lambda: Sequential([Conv1d(1, 2, 3), Dense(16, 2)], input_shape=(1, 10)),
    "of 3 features, got 4": lambda: Sequential([Dense(5, 4), BatchNorm(3)]),
    "of 3 channels, got 4": lambda: Sequential([Conv2d(1, 4, 3), BatchNorm(3)], input_shape=(1, 8, 8)),
    "of 3 features, got 5": lambda: Sequential([LayerNorm(3)], input_shape=5),
    "(2, height, width)": lambda: Sequential([Conv2d(2, 4, 3)], input_shape=(1, 8, 8)),
    "at least as large as its kernel": lambda: Sequential([Conv1d(1, 4, 9)], input_shape=(1, 8)),
    "its kernel (3,), dilated to (9,), got (8,)": lambda: Sequential([Conv1d(1, 4, 3, dilation=4)], input_shape=(1, 8)),
    "`kernel` must be one number or 2": lambda: Conv2d(1, 2, (3, 3, 3)),
    "`input_shape` is missing": lambda: Sequential([Flatten(), Dense(4, 2)]),
    "`layers[1]` must be a layer": lambda: Sequential([Dense(4, 3), "tanh"]),
    "call it": lambda: Sequential([Dense(4, 3), Flatten]),
    "`layers` must be a list": lambda: Sequential(Dense(4, 3)),
    "`activation` must be one of": lambda: Activation("swish"),
    "`probability` of dropping": lambda: Dropout(1.0),
    "`init` must be one of": lambda: mlp((3, 2), init="glorot"),
    "`widths` must be two or more": lambda: mlp((3,)),
    "`widths[1]` must be a whole number >= 1": lambda: mlp((3, 0, 2)),
    "`inputs` must be a whole number >= 1": lambda: Dense(0, 2),
    "`eps` must be > 0": lambda: BatchNorm(3, eps=0.0),
    "`5.weight` is not a parameter": lambda: NET.with_parameters(**{"5.weight": 1.0}),
    "`0.weight` must be finite": lambda: NET.with_parameters(**{"0.weight": np.full((4, 3), np.nan)}),
    "transpose it: rows are inputs": lambda: NET.with_parameters(**{"0.weight": np.ones((3, 4))}),
    "`2.bias` must have shape (..., 2)": lambda: NET.with_parameters(**{"2.bias": np.ones(3)}),
    "`0.weight` (2,), `0.bias` (3,)": lambda: NET.with_parameters(
        **{"0.weight": np.ones((2, 4, 3)), "0.bias": np.ones((3, 3))}
    ),
    "`x` must have shape (..., B, 4), got (5, 3)": lambda: NET.forward(np.ones((5, 3))),
    "one sample is `x[None]`": lambda: NET.forward(np.ones(4)),
    "transpose it: rows are samples": lambda: NET.forward(np.ones((4, 5))),
    "empty batch": lambda: NET.forward(np.ones((0, 4))),
    "`x` must hold real numbers": lambda: NET.forward(X + 1j),
    "`x` must be a rectangular array": lambda: NET.forward([[1.0, 2.0], [3.0]]),
    "masked array": lambda: NET.forward(np.ma.masked_less(X, 0.0)),
    "`seed` must be": lambda: NET.forward(X, seed=-1),
    "`threads` must be": lambda: NET.forward(X, threads=0),
    "`backend` must be": lambda: NET.forward(X, backend="gpu"),
    "`x` (3,)": lambda: NET.with_parameters(**{"0.bias": np.ones((2, 3))}).forward(np.ones((3, 5, 4))),
    "`cotangent` must have shape (5, 2), got (5, 3)": lambda: NET.backward(X, np.ones((5, 3))),
    "`w` must have shape (5, 2) or, for k of each sample, (5, k, 2)": lambda: NET.adjoint(X, np.ones((3, 2))),
    "`v` must have shape (5, 4)": lambda: NET.tangent(X, np.ones((5, 3))),
    "at least 2 samples in train mode": lambda: mlp((4, 3, 2), batch_norm=True).train().forward(X[:1]),
    "batch norm (layer 1)": lambda: mlp((4, 3, 2), batch_norm=True).train().backward(X[:1], np.ones((1, 2))),
    "`jacobian` of one sample": lambda: mlp((4, 3, 2), batch_norm=True).train().jacobian(X),
    "`momentum` must be": lambda: NET.with_statistics_of(X, momentum="0.1"),
    "`labels` must be in 0 .. 1 for outputs of width 2, got 2": lambda: fl.loss.cross_entropy([0, 2]).value(X[:2, :2]),
    "`labels` must be whole numbers from 0 on, got -1": lambda: fl.loss.cross_entropy([0, -1]),
    "`labels` must be whole numbers of shape": lambda: fl.loss.cross_entropy([0.0, 1.0]),
    "`labels` of shape (3,) do not fit": lambda: fl.loss.cross_entropy([0, 1, 1]).value(X),
    "`temperature` must be > 0": lambda: fl.loss.cross_entropy([0, 1], temperature=0.0),
    "`targets` must be finite": lambda: fl.loss.mse(np.full((5, 2), np.inf)),
    "`targets` must have shape": lambda: fl.loss.mse([1.0, 2.0]),
    "`targets` of shape (4, 2) do not fit": lambda: NET.loss_gradient(X, fl.loss.mse(np.ones((4, 2)))),
    "`0.weight` is shared by members": lambda: NET.descend(np.ones((2, 5, 4)), fl.loss.mse(np.ones((5, 2))), 0.1),
    "`loss` must be made by": lambda: NET.descend(X, "mse", 0.1),
    "`y` must be outputs": lambda: fl.loss.mse(np.ones((5, 2))).value(np.ones(2)),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_wrong_arguments_are_refused_in_words(words):
    with pytest.raises(InputError) as error:
        WRONG[words]()
    assert words in str(error.value)


def test_no_members_give_no_numbers():
    net = NET.with_parameters(**{"0.bias": np.ones((0, 3))})
    assert net.forward(X).shape == (0, 5, 2)
    assert net.backward(X, np.ones((0, 5, 2))).parameters["0.weight"].shape == (0, 4, 3)


def test_a_channel_of_one_picture_has_statistics():
    net = Sequential([BatchNorm(2)], input_shape=(2, 3, 3)).train()
    assert np.isfinite(net.forward(np.random.default_rng(0).standard_normal((1, 2, 3, 3)))).all()
