"""Modules of an installed PyTorch, read without their help and run beside them."""

import numpy as np
import pytest

import fastlyap as fl

torch = pytest.importorskip("torch")
nn = torch.nn

T, M, H = 7, 3, 4


class Model(nn.Module):
    """A recurrent module, an embedding that is not used, a read-out."""

    def __init__(self, rnn):
        super().__init__()
        self.emb = nn.Embedding(5, M)
        self.rnn = rnn
        self.fc = nn.Linear(H, 2, bias=False)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


def agree(module, cell, *, eps=1e-13):
    """The module in double precision gives the same outputs as the cell."""
    drive = np.random.default_rng(0).standard_normal((T, M))
    with torch.no_grad():
        wanted = module.double()(torch.tensor(drive))
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    np.testing.assert_allclose(cell.forward(drive, backend="reference").outputs, wanted.numpy(), rtol=0, atol=eps)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_recurrent_modules(kind, bias, layers):
    module = kind(M, H, num_layers=layers, bias=bias)
    agree(module, fl.networks.from_torch(module))
    agree(module, fl.networks.from_torch(module.state_dict()))


def test_nonlinearity_is_read_from_the_module():
    module = nn.RNN(M, H, nonlinearity="relu")
    agree(module, fl.networks.from_torch(module))
    agree(module, fl.networks.from_torch(module.state_dict(), activation="relu"))
    with pytest.raises(fl.InputError, match="`activation` is 'relu' in the module, got 'tanh'"):
        fl.networks.from_torch(module, activation="tanh")
    assert fl.networks.from_torch(nn.RNNCell(M, H, nonlinearity="relu")).architecture.activation == "relu"


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_single_cells(kind):
    module = kind(M, H)
    cell = fl.networks.from_torch(module)
    u, h = np.random.default_rng(1).standard_normal((2, 1, H))
    u = u[:, :M]
    state = (torch.tensor(h), torch.tensor(h)) if kind is nn.LSTMCell else torch.tensor(h)
    with torch.no_grad():
        found = module.double()(torch.tensor(u), state)
    found = torch.cat(found, dim=1) if kind is nn.LSTMCell else found
    x = np.tile(h, 2 if kind is nn.LSTMCell else 1)
    np.testing.assert_allclose(cell.rule(x, u=u), found.numpy(), rtol=0, atol=1e-14)


def test_derived_classes():
    class Mine(nn.GRU):
        pass

    module = Mine(M, H)
    agree(module, fl.networks.from_torch(module))


def test_part_of_a_module():
    module = Model(nn.GRU(M, H, num_layers=2))
    agree(module, fl.networks.from_torch(module, prefix="rnn.", readout="fc"))
    with pytest.raises(fl.InputError, match="`emb.weight` in state_dict is left over"):
        fl.networks.from_torch(module, readout="fc")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_types(dtype):
    module = nn.LSTM(M, H).to(dtype)
    agree(module, fl.networks.from_torch(module))


def test_stacks_of_linear_layers():
    tanh = nn.Tanh()
    inner = nn.Sequential(nn.Linear(5, 4, bias=False), tanh)
    stack = nn.Sequential(nn.Flatten(), nn.Linear(M, 5), tanh, nn.Dropout(0.3), inner, nn.Linear(4, 4), nn.GELU(),
                          nn.Linear(4, 2), nn.Identity(), nn.Sigmoid())  # fmt: skip
    net = fl.networks.from_torch(stack)
    x = np.random.default_rng(2).standard_normal((6, M))
    with torch.no_grad():
        wanted = stack.double().eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(net.forward(x, backend="reference"), wanted, rtol=0, atol=1e-14)
    outer = nn.Module()
    outer.body = stack
    again = fl.networks.from_torch(outer)
    np.testing.assert_array_equal(again.forward(x, backend="reference"), net.forward(x, backend="reference"))


def test_stacks_with_a_forward_of_their_own_need_the_activation():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(M, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.second(torch.relu(self.first(x)))

    module = Net()
    with pytest.raises(fl.InputError, match="`activation` is missing"):
        fl.networks.from_torch(module)
    net = fl.networks.from_torch(module, activation="relu")
    x = np.random.default_rng(3).standard_normal((6, M))
    with torch.no_grad():
        wanted = module.double()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(net.forward(x, backend="reference"), wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "module,wanted",
    [
        (nn.GRU(M, H, bidirectional=True), "`module_or_state_dict`: bidirectional layers cannot be read"),
        (nn.ModuleDict({"rnn": nn.GRU(M, H, bidirectional=True)}), "`rnn`: bidirectional layers cannot be read"),
        (nn.LSTM(M, H, proj_size=2), "`proj_size`"),
        (nn.Sequential(nn.Linear(M, H), nn.BatchNorm1d(H)), "`1` is a BatchNorm1d, which cannot be read"),
        (nn.Sequential(nn.Conv1d(M, H, 3)), "`0` is a Conv1d, which cannot be read"),
        (nn.Sequential(nn.Linear(M, H), nn.LeakyReLU(0.2)), "`1`: LeakyReLU must have negative_slope=0.01, got 0.2"),
        (nn.Sequential(nn.Linear(M, H), nn.Softmax(dim=-1)), "`1` is a Softmax where"),
        (nn.Sequential(nn.ReLU(), nn.Linear(M, H)), "`0` is a ReLU where"),
        ({"weight": torch.ones(2, 2, dtype=torch.complex64)}, "`state_dict['weight']` must hold real numbers"),
        ({"weight": torch.eye(2).to_sparse()}, "`state_dict['weight']` cannot be read as an array"),
        (nn.Tanh(), "begins no name"),
    ],
)
def test_what_cannot_be_read(module, wanted):
    with pytest.raises(fl.InputError) as caught:
        fl.networks.from_torch(module)
    assert wanted in str(caught.value)


def test_files_of_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    module = Model(nn.LSTM(M, H, num_layers=2)).to(torch.bfloat16)
    safetensors.save_file(module.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    agree(module, fl.networks.from_safetensors(tmp_path / "model.safetensors", prefix="rnn.", readout="fc"))
