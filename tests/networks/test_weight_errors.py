"""Weights that do not fit are refused before anything is built, by messages that name the key."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks import weight_names

H, M = 2, 3


def state(kind="lstm", layers=1, prefix="", **changed):
    """A state dict of a recurrent module; `changed` replaces tensors, None takes them out."""
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[kind] * H
    rng = np.random.default_rng(0)
    found = {}
    for layer in range(layers):
        shapes = {"weight_ih": (gates, H if layer else M), "weight_hh": (gates, H), "bias_ih": (gates,)}
        for role, shape in (shapes | {"bias_hh": (gates,)}).items():
            found[f"{prefix}{role}_l{layer}"] = rng.standard_normal(shape)
    found |= changed
    return {key: value for key, value in found.items() if value is not None}


def told(given, **how):
    """The message of the error."""
    with pytest.raises(fl.InputError) as caught:
        fl.networks.from_torch(given, **how)
    return str(caught.value)


CASES = {
    "missing matrix": (state(weight_hh_l0=None), {}, "`weight_hh` is missing in state_dict beside `weight_ih_l0`"),
    "one bias of two": (state(bias_ih_l0=None), {}, "`bias_ih` is missing in state_dict beside"),
    "missing layer": (state(layers=3, **{f"{r}_l1": None for r in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}),
                      {}, "must have layers 0, 1, ..., got [0, 2]"),
    "left over": (state(prefix="rnn.", **{"fc.weight": np.eye(2)}), {}, "`fc.weight` in state_dict is left over"),
    "no layers": ({"x.alpha": np.ones((2, 2))}, {}, "recurrent or dense layers, whose names end in weight_ih_l0"),
    "pictures": ({"weight": np.ones((2, 1, 3, 3))}, {}, "got (2, 1, 3, 3); convolutions cannot be read"),
    "unknown name": (state(alpha=np.ones(3)), {}, "`alpha` in state_dict is left over"),
    "wrong bias": (state(bias_ih_l0=np.ones(9)), {}, "`state_dict['bias_ih_l0']` must have shape (8), got (9,)"),
    "wrong input": (state(weight_ih_l0=np.ones((9, 3))), {}, "`state_dict['weight_ih_l0']` must have shape (8, any)"),
    "no gates": (state(weight_hh_l0=np.ones((10, 2))), {}, "`state_dict['weight_hh_l0']` must be 1 (RNN), 3 (GRU)"),
    "empty": (state(weight_ih_l0=np.ones((8, 0))), {}, "`state_dict['weight_ih_l0']` must have shape"),
    "NaN": (state(weight_hh_l0=np.full((8, 2), np.nan)), {}, "`state_dict['weight_hh_l0']` must be finite"),
    "words": (state(bias_ih_l0=np.array(["a"] * 8)), {}, "`state_dict['bias_ih_l0']` must hold real numbers"),
    "bidirectional": (state(weight_ih_l0_reverse=np.ones((8, 3))), {}, "bidirectional layers cannot be read: `weight_"),
    "proj_size": (state(weight_hr_l0=np.ones((1, 2))), {}, "projections (proj_size) cannot be read: `weight_hr_l0`"),
    "other kind": (state("gru"), {"kind": "lstm"}, "`kind` is 'lstm', got layers of kind 'gru'"),
    "unknown kind": (state(), {"kind": "transformer"}, "`kind` must be one of"),
    "wrong prefix": (state(), {"prefix": "encoder."}, "`prefix` 'encoder.' begins no name in state_dict, which has `w"),
    "prefix of no string": (state(), {"prefix": 3}, "`prefix` must be a string, got 3"),
    "no such read-out": (state(), {"readout": "fc"}, "`readout` must name one dense layer, got 'fc'"),
    "narrow read-out": (state(prefix="rnn.", **{"fc.weight": np.ones((4, 5))}), {"readout": "fc"},
                        "`fc` takes 5 numbers, and 'rnn' before it gives 2"),
    "two modules": (state(prefix="a.") | state(prefix="b."), {}, "`prefix` must choose one recurrent module of 'a'"),
    "activation of an LSTM": (state(), {"activation": "relu"}, "must be 'tanh', got 'relu'"),
    "unknown activation": (state("rnn"), {"activation": "step"}, "`activation` must be one of"),
    "nothing": ({}, {}, "begins no name in state_dict, which has nothing"),
    "no names": ({1: np.ones(2)}, {}, "`module_or_state_dict` must have names as keys"),
    "no module": ([np.ones(2)], {}, "`module_or_state_dict` must be a torch module or its state_dict(), got list"),
    "dense, no activation": ({"0.weight": np.eye(2), "1.weight": np.eye(2)}, {}, "`activation` is missing"),
    "dense, activations": ({"0.weight": np.eye(2), "1.weight": np.eye(2)}, {"activation": ["tanh"]}, "for each of 2"),
    "dense, widths": ({"0.weight": np.ones((4, 2)), "1.weight": np.ones((2, 3))}, {"activation": "tanh"},
                      "`1` takes 3 numbers, and '0' before it gives 4"),
    "dense, bias": ({"0.weight": np.ones((4, 2)), "0.bias": np.ones(2)}, {},
                    "`state_dict['0.bias']` must have shape ("),
    "dense, no matrix": ({"0.weight": np.ones(4)}, {}, "`state_dict['0.weight']` must have shape (any, any), got (4,)"),
    "dense, bias alone": ({"0.bias": np.ones(4)}, {}, "`weight` is missing in state_dict beside `0.bias`"),
    "dense as cell": ({"0.weight": np.eye(2)}, {"kind": "gru"}, "`kind` needs recurrent layers"),
    "cell as dense": (state(), {"kind": "mlp"}, "`bias_ih_l0`, `bias_hh_l0` in state_dict is left over"),
    "batch norm": ({"0.weight": np.eye(2), "1.running_mean": np.ones(2)}, {}, "batch normalisation cannot be read"),
    "order of no names": (state(), {"order": 3}, "`order` must be names of layers, got 3"),
    "activation of no name": ({"0.weight": np.eye(2)}, {"activation": 3}, "`activation` must be"),
    "wrong order": ({"a.weight": np.eye(2)}, {"order": ["b"]}, "`order` must name each of 'a' once, got ['b']"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_state_dicts(case):
    given, how, wanted = CASES[case]
    assert wanted in told(given, **how)


def test_prefix_leaves_the_rest_alone():
    given = state(prefix="rnn.", **{"fc.weight": np.eye(2), "emb.weight": np.ones((7, 3))})
    assert fl.networks.from_torch(given, prefix="rnn.").architecture.outputs == 0
    assert fl.networks.from_torch(given, prefix="rnn.", readout="fc").architecture.outputs == 2


def names(*keys, layout):
    return weight_names.sorted_names(keys, layout)


@pytest.mark.parametrize(
    "layout,key,what",
    [
        ("keras", "sequential/bidirectional/forward_gru/gru_cell/kernel", "bidirectional"),
        ("keras", "bidirectional_1/backward_lstm_1/kernel:0", "bidirectional"),
        ("keras", "sequential/batch_normalization/moving_mean", "batch normalisation"),
        ("flax", "params.backward_rnn.cell.hn.kernel", "bidirectional"),
        ("flax", "batch_stats.BatchNorm_0.mean", "batch normalisation"),
    ],
)
def test_what_cannot_be_read_is_named(layout, key, what):
    with pytest.raises(fl.InputError, match=what) as caught:
        names(key, layout=layout)
    assert key in str(caught.value)


def test_other_cells_of_flax_are_refused():
    (layer,) = names(*(f"params.MGUCell_0.{gate}.kernel" for gate in ("if", "in", "hf", "hn")), layout="flax").recurrent
    with pytest.raises(fl.InputError, match="`params.MGUCell_0` has the gates hf, hn, if, in"):
        weight_names.flax_kind(layer)


def test_dense_layers_that_are_called_like_gates():
    found = names("params.i.kernel", "params.i.bias", "params.out.kernel", layout="flax")
    assert not found.recurrent and {layer.name for layer in found.dense} == {"params.i", "params.out"}


def test_keys_of_old_keras():
    (layer,) = names("lstm_1/kernel:0", "lstm_1/recurrent_kernel:0", "lstm_1/bias:0", layout="keras").recurrent
    assert layer.name == "lstm_1" and set(layer.keys) == {"kernel", "recurrent_kernel", "bias"}


def test_arguments_of_files(tmp_path):
    for how, wanted in (
        ({"layout": "onnx"}, "`layout` must be one of 'torch', 'keras', 'flax', got 'onnx'"),
        ({"variant": "new"}, "`variant` must be one of"),
        ({}, "`path`: .* cannot be opened"),
    ):
        with pytest.raises(fl.InputError, match=wanted):
            fl.networks.from_safetensors(tmp_path / "missing.safetensors", **how)
    with pytest.raises(fl.InputError, match="`path` must be the name of a file, got int"):
        fl.networks.from_safetensors(3)
