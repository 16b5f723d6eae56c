"""Who draws which random numbers: the keys of members, kept in rows behind their parameters.

A member's key is (seed, number in the flat batch), so that its noise depends neither on chunks, threads and order nor
on its neighbours. Keys are split into limbs that every working type holds exactly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.kernel import layout
from fastlyap.kernel.cells import LAST, PLACES
from fastlyap.request import Integration, Members

LIMB = 24
LARGEST_SEED = 2**64 - 1
LARGEST_COUNT = {"float32": 2**24, "float64": 2**52}  # steps are counted in a number of the working type


def columns(system: Any) -> int:
    """Columns of `Members.p` that a system's programs expect."""
    noisy = layout.KEYS + system.noise_count if system.noise_count else 0
    return system.flat_parameters.size + noisy


def keyed(members: Members, system: Any, seed: int, number: np.ndarray | None = None) -> Members:
    """The members with their keys behind the parameters; as they are where there is no noise.

    number : of each member in the whole batch, where `members` are a part of it.
    """
    if not system.noise_count:
        return members
    if seed > LARGEST_SEED:
        raise InputError(f"`seed` of a system with noise must be below 2**64, got {seed}.")
    if number is None:
        number = np.arange(len(members))
    keys = np.zeros((len(members), layout.KEYS + system.noise_count))
    for i in range(3):
        keys[:, i] = seed >> i * LIMB & (1 << LIMB) - 1
    keys[:, 3], keys[:, 4] = number & (1 << LIMB) - 1, number >> LIMB
    return replace(members, p=np.concatenate([members.p[:, : own_columns(system)], keys], axis=1))


def own_columns(system: Any) -> int:
    """Columns of `Members.p` before the keys: parameters, or of recurrent cells places and sizes of the noise."""
    if system.architecture is None:
        return system.flat_parameters.size
    sizes = 0 if system.noise_recording is None else len(system.noise_recording.outputs)
    return PLACES * system.architecture.layers + LAST + sizes


def numbers(members: Members, system: Any) -> np.ndarray:
    """Numbers of keyed members in the whole batch."""
    low, high = members.p[:, own_columns(system) :][:, 3:5].T.astype(np.int64)
    return low + (high << LIMB)


def check_steps(system: Any, how: Integration, steps: int) -> None:
    """Refuse more steps than the working type can count."""
    most = LARGEST_COUNT[how.dtype]
    if system.noise_count and steps > most:
        raise InputError(
            f"`steps` and `transient` together must be at most {most} with noise in {how.dtype}, got {steps}; use "
            'dtype="float64".'
        )


def check_ready(system: Any, members: Members) -> None:
    """Refuse a request of a noisy system that carries no keys."""
    if system.architecture is None and system.noise_count and members.p.shape[1] != columns(system):
        raise InputError(f"`system` {system.name} has noise, with which this function cannot be used.")
