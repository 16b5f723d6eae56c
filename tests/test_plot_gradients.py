"""Estimates of a gradient side by side: what is drawn, what is hollow, and what is refused."""

import io

import made
import numpy as np
import pytest

from fastlyap.errors import InputError
from fastlyap.machines.gradient_result import Gradient

matplotlib = pytest.importorskip("matplotlib")

from fastlyap import plot  # noqa: E402 - after the check that it can be drawn


def estimate(shape=(), method="Shadowing", value=1.0, code=0, own=()):
    """A hand-made gradient by rho (one number) and J (own shape `own`)."""
    rho = np.linspace(1.0, 2.0, *shape) if shape else np.float64(28.0)
    gradient = {"rho": value + np.zeros(shape), "J": np.full((*shape, *own), 2.0 * value)}
    errors = {name: np.full(np.shape(a), 0.1) for name, a in gradient.items()}
    return Gradient(
        value=np.ones(shape), value_stderr=np.full(shape, 0.1), gradient=gradient, stderr=errors, median=gradient,
        median_stderr=errors, status=np.full(shape, code, dtype=np.int8), failed_step=np.full(shape, -1),
        stats={"method": method}, parameters={"rho": rho}, x0=np.zeros(3), dims=("rho",)[: len(shape)],
        system=made.FLOW, settings={"members": 16, "seed": 0},
    )  # fmt: skip


def labels(ax):
    ax.figure.savefig(io.BytesIO(), format="png", dpi=50)
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_methods_stand_side_by_side_with_two_standard_errors():
    ax = plot.gradients([estimate(own=(2,)), estimate(method="Backprop", value=1.1, own=(2,))])
    assert labels(ax) == ["Shadowing", "Backprop"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["rho", "J[0]", "J[1]"]
    low, high = ax.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((0.8, 1.2))


def test_an_untrusted_estimate_is_hollow_and_hides_no_other():
    ax = plot.gradients({"good": estimate(), "bad": estimate(value=1e40, code=3)}, "rho")
    assert labels(ax) == ["good", "bad", "UNTRUSTED"]
    assert ax.get_ylim()[1] < 2.0
    assert ax.containers[-1].lines[0].get_markerfacecolor() == "white"


def test_curves_over_what_was_varied():
    ax = plot.gradients([estimate((8,)), estimate((8,))], "rho")
    assert labels(ax) == ["Shadowing 1", "Shadowing 2"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rho", "derivative by rho")


@pytest.mark.parametrize("results,wrt,told", [
    ([], None, "`results` is empty"),
    ([made.spectrum()], None, "must hold what `fl.gradient` returns, got Spectrum"),
    ([estimate(), estimate((8,))], None, "must share one batch shape"),
    (estimate(), "sigma", "`wrt` must be one of rho, J, got 'sigma'"),
    (estimate(own=(50,)), None, "must leave 1 to 40 numbers"),
    (estimate((8,), own=(2,)), "J", "must leave one number to draw over a batch axis"),
])  # fmt: skip
def test_what_cannot_be_drawn(results, wrt, told):
    with pytest.raises(InputError, match=told):
        plot.gradients(results, wrt)
