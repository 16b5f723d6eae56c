"""Train the small network of the gallery: a gated recurrent unit that predicts the next state of the Lorenz system.

    pip install torch safetensors
    python docs/make_trained_gru.py docs/gallery/trained_gru.safetensors

Half a minute on one core. Made with torch 2.13.0; other versions give other last digits.
"""

import sys

import numpy as np
import torch
from safetensors.torch import save_file

import fastlyap as fl

HIDDEN, UPDATES, LENGTH, BATCH = 32, 2000, 100, 32


class Forecaster(torch.nn.Module):
    """The next input from all inputs so far."""

    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.GRU(3, HIDDEN, batch_first=True)
        self.fc = torch.nn.Linear(HIDDEN, 3)

    def forward(self, u):
        """Forecasts (B, T, 3) for inputs (B, T, 3)."""
        return self.fc(self.rnn(u)[0])


def series():
    """Twenty thousand states of the Lorenz system, 0.05 units of time apart, brought to size one."""
    orbit = fl.trajectory(fl.systems.lorenz63(), steps=101_000, dt=0.01, every=5).state[200:]
    return torch.tensor((orbit - [0.0, 0.0, 25.0]) / [8.0, 9.0, 8.5], dtype=torch.float32)


def train():
    """The trained module: Adam with one cycle of rates, truncated backpropagation over 100 steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    data, model = series(), Forecaster()
    optimiser = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, UPDATES)
    for update in range(UPDATES):
        pieces = torch.stack([data[s : s + LENGTH + 1] for s in rng.integers(0, len(data) - LENGTH - 1, BATCH)])
        error = model(pieces[:, :-1]) - pieces[:, 1:]
        loss = (error[:, 10:] ** 2).mean()  # the first steps only find out where the orbit is
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if update % 200 == 0 or update == UPDATES - 1:
            print(f"update {update:5}: mean square error {loss.detach():.2e}", flush=True)
    return model


if __name__ == "__main__":
    save_file(train().state_dict(), sys.argv[1])
