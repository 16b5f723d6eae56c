"""Covectors pulled back with reorthonormalisation at every step: `fl.spectrum(direction="adjoint")`, one core.

A tanh map with a full Jacobian, 1000 members: n = 16 with 8 covectors, n = 64 with 16. Others keep the whole orbit, we
go over it again from checkpoints. With all covectors the sum of exponents is that of the orbit and must be the same.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import adjoint_qr
from bench.timing import Contender

SECTION = "W. Covectors with reorthonormalisation"
FORMS = {"Gram-Schmidt": adjoint_qr.gram_schmidt, "QR": adjoint_qr.batched_qr}
MEMBERS, GAIN = 1000, 2.0

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="adjoint")


def weights(n):
    return GAIN * np.random.default_rng(n).standard_normal((n, n)) / np.sqrt(n)


def network(n):
    J = weights(n)

    @fl.iterated_map(state=n, parameters={"g": 1.0}, x0=np.ones(n))
    def network(t, x, p):
        return J @ fl.math.tanh(np.asarray(x))

    return network


def starts(n, members):
    return np.random.default_rng(0).standard_normal((members, n))


def ours(system, members, k, steps, every=1):
    how = dict(transient=0, every=every, direction="adjoint", threads=1, progress=False, history=0)
    return fl.spectrum(system, starts(system.dim, members), k=k, steps=steps, **how)


def others(n, members, k, steps, absent):
    """All forms of NumPy, PyTorch and JAX: (name, function)."""
    J, x = weights(n), np.ascontiguousarray(starts(n, members).T)
    W = np.repeat(adjoint_qr.start(n, k)[:, :, None], members, axis=2)
    for name, form in FORMS.items():
        yield f"numpy {name}", lambda form=form: adjoint_qr.run(np, form, J, x, W, steps)
        if not absent("torch"):
            import torch

            torch.set_num_threads(1)
            yield f"torch {name}", lambda form=form: adjoint_qr.run(torch, form, *map(torch.tensor, (J, x, W)), steps)
        if not absent("jax"):
            yield f"jax {name}", adjoint_qr.jax_run(form, J, x, W, steps)


@pytest.mark.parametrize("n, k, aim", [(16, 8, ">= 10"), (64, 16, ">= 3")])
def test_against_the_others(n, k, aim, compare, book, sizes, absent):
    system, members, steps = network(n), MEMBERS, int(20 * sizes.scale * 16 / n) + 6
    total = ours(system, 3, n, 12).exponents.sum(axis=-1)
    for name, run in others(n, 3, n, 12, absent):
        np.testing.assert_allclose(np.asarray(run()).sum(axis=0), total, rtol=1e-8, err_msg=name)
    contenders = [Contender(name, run, float(members * steps)) for name, run in others(n, members, k, steps, absent)]
    more = int(400 * sizes.scale * 16 / n)
    us = Contender("fastlyap", lambda: ours(system, members, k, more), float(members * more))
    found = compare(us, *contenders)
    label = f"n = {n}, {k} covectors, {members} members"
    book.add(SECTION, f"{label}, time of a member-step", 1e9 * found.per_unit("fastlyap"), unit="ns")
    for package in ("numpy", "torch", "jax"):
        names = [c.name for c in contenders if c.name.startswith(package)]
        if names:
            best = found.best(names)
            note = f"in its quickest form, by {best.split()[1]}"
            book.ratio(SECTION, f"{label}, against {package}", found.ratio(best, "fastlyap"), aim=aim, note=note)
        else:
            book.add(SECTION, f"{label}, against {package}", aim=aim, note=absent(package))
