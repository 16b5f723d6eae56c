"""Deep and recurrent networks; each name is imported from its room when first used."""

import importlib
from typing import Any

_ROOMS = {
    "Sequential": "build", "mlp": "build", "Network": "network", "Backward": "passes", "LossGradient": "passes",
    "Descent": "passes",
    "Layer": "layers", "Dense": "layers", "Activation": "layers", "Dropout": "layers", "Flatten": "layers",
    "Residual": "layers", "BatchNorm": "normalisation_layers", "LayerNorm": "normalisation_layers",
    "Conv1d": "convolution_layers", "Conv2d": "convolution_layers",
    "Cell": "cells", "Architecture": "architecture",
    "rnn": "recurrent", "lstm": "recurrent", "gru": "recurrent", "random_rnn": "recurrent",
    "from_torch": "weights", "from_safetensors": "weights",
}  # fmt: skip

__all__ = [*_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(importlib.import_module(f"fastlyap.networks.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'fastlyap.networks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
