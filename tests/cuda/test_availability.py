"""What people read where the CUDA backend cannot run."""

import importlib.util

import pytest

import fastlyap as fl
from fastlyap import doctor

cuda = pytest.importorskip("fastlyap.backend.cuda", reason="needs numba.cuda", exc_type=ImportError)


@pytest.fixture
def real(monkeypatch):
    """The backend without the simulator."""
    monkeypatch.setattr(cuda, "SIMULATED", False)


def refusal():
    """The message of a call with backend="cuda"."""
    with pytest.raises(fl.InputError, match=r"`backend` \"cuda\" cannot run here") as caught:
        fl.spectrum(fl.systems.henon(), steps=10, backend="cuda")
    return str(caught.value)


def test_numba_cuda_missing(real, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "numba-cuda is missing" in refusal()
    assert 'pip install "fastlyap[cuda12]"' in refusal()
    assert "numba-cuda is missing" in doctor.cuda()


def test_no_card(real, monkeypatch):
    monkeypatch.setattr(cuda.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cuda.cuda, "cuda_error", lambda: "\nCUDA driver library cannot be found.\nEnsure that ...")
    assert "no GPU found (CUDA driver library cannot be found)" in refusal()
    assert "no GPU found" in doctor.cuda()


def test_broken_driver(real, monkeypatch):
    def broken():
        raise OSError("wrong ELF class")

    monkeypatch.setattr(cuda.cuda, "is_available", broken)
    assert "no GPU found (wrong ELF class)" in refusal()


def test_auto_stays_on_the_processor():
    assert fl.plan("spectrum", fl.systems.henon()).backend == "cpu"
