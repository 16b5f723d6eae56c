"""Arrays of gains and seeds make batches of networks: every member is the network of its own gain and seed."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks
from fastlyap.networks import Dense, Sequential, initialise, mlp

GAINS, SEEDS = np.array([0.5, 1.7]), np.array([3, 0, 11])
CELLS = {
    "rnn": lambda gain, seed: networks.rnn(2, 4, 2, outputs=1, gain=gain, seed=seed),
    "lstm": lambda gain, seed: networks.lstm(2, 3, gain=gain, seed=seed),
    "gru": lambda gain, seed: networks.gru(2, 3, gain=gain, seed=seed, variant="original"),
    "random_rnn": lambda gain, seed: networks.random_rnn(5, gain, seed),
}


def check_members(made, scalar, shapes):
    """The values of every member are those of the scalar call, bit for bit."""
    for i, gain in enumerate(GAINS):
        for j, seed in enumerate(SEEDS.tolist()):
            for name, value in scalar(gain, seed).items():
                many = np.broadcast_to(made[name], (2, 3, *shapes[name]))
                np.testing.assert_array_equal(many[i, j], value, err_msg=name)


@pytest.mark.parametrize("init", initialise.NAMES)
def test_perceptrons(init):
    options = dict(init=init, bias=0.2, residual=True, batch_norm=True, dropout=0.1, output_activation="sin")

    def values(gain, seed):
        net = mlp((4, 6, 6, 2), gain=gain, seed=seed, **options)
        return net, {**net.parameters, **net.statistics}

    nets, made = values(GAINS[:, None], SEEDS)
    assert nets.batch_shape == (2, 3) and all(v.shape == (2, 3, *nets.shapes[k]) for k, v in made.items())
    check_members(made, lambda gain, seed: values(gain, seed)[1], nets.shapes)


@pytest.mark.parametrize("kind", CELLS)
def test_cells(kind):
    made = CELLS[kind](GAINS[:, None], SEEDS)
    check_members(
        {**made.parameters, "x0": made.x0},
        lambda gain, seed: {**(one := CELLS[kind](gain, seed)).parameters, "x0": one.x0},
        {**made.shapes, "x0": (made.dim,)},
    )


def test_sequences_of_layers_take_seeds_too():
    nets = Sequential([Dense(3, 2, gain=0.7)], seed=SEEDS)
    assert nets.batch_shape == (3,)
    one = Sequential([Dense(3, 2, gain=0.7)], seed=11).parameters["0.weight"]
    np.testing.assert_array_equal(nets.parameters["0.weight"][2], one)


def test_every_member_can_be_trained():
    nets = mlp((3, 4, 2), gain=GAINS, seed=7)
    x, loss = np.random.default_rng(0).standard_normal((6, 3)), fl.loss.cross_entropy([0, 1, 1, 0, 1, 0])
    moved = nets.descend(x, loss, 0.1)
    one = mlp((3, 4, 2), gain=GAINS[1], seed=7).descend(x, loss, 0.1)
    assert moved.value.shape == (2,)
    np.testing.assert_array_equal(moved.network.parameters["2.weight"][1], one.network.parameters["2.weight"])


def test_forget_biases():
    made = networks.lstm(1, 2, forget_bias=[0.0, 3.0])
    np.testing.assert_array_equal(made.parameters["0.bias"], [[0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 3, 3, 0, 0, 0, 0]])


BAD = {
    "`gain` and `seed` must broadcast together, got shapes (2,) and (3,); pass gain[:, None]": (GAINS, SEEDS),
    "`gain` must be a number or an array of numbers, got an empty array": ([], 0),
    "`gain` must be finite, got NaN or infinity": ([1.0, np.nan], 0),
    "`gain` must hold real numbers": ("large", 0),
    "`seed` must be a whole number >= 0 or an array of them, got [1.5]": (1.0, [1.5]),
    "`seed` must be a whole number >= 0 or an array of them, got [-1]": (1.0, [-1]),
    "`seed` must be a whole number >= 0 or an array of them, got []": (1.0, []),
    "`seed` must be a whole number >= 0 or an array of them, got [[1, 2], [3]]": (1.0, [[1, 2], [3]]),
    "`seed` must be a whole number >= 0 or an array of them, got None": (1.0, None),
}


@pytest.mark.parametrize("words", BAD)
def test_wrong_arrays(words):
    gain, seed = BAD[words]
    for make in (lambda: mlp((3, 2), gain=gain, seed=seed), *(lambda f=f: f(gain, seed) for f in CELLS.values())):
        with pytest.raises(fl.InputError) as error:
            make()
        assert words in str(error.value).replace("`g`", "`gain`").replace("g[:, None]", "gain[:, None]")


def test_one_layer_has_one_gain():
    with pytest.raises(fl.InputError, match="`gain` must be one real number"):
        Dense(3, 2, gain=GAINS)
