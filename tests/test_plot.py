"""Pictures: every function draws on no display, labels with units and leaves pyplot alone."""

import io
import subprocess
import sys
from pathlib import Path

import made
import numpy as np
import pytest

from fastlyap.errors import InputError

matplotlib = pytest.importorskip("matplotlib")

from fastlyap import plot  # noqa: E402 - after the check that it can be drawn


def drawn(ax):
    """The Axes, after checking that the figure can be rendered."""
    ax.figure.savefig(io.BytesIO(), format="png", dpi=50)
    return ax


def test_curves_of_a_sweep():
    ax = drawn(plot.sweep(made.spectrum((40,), failed=[3, 10, 11])))
    assert ax.get_xlabel() == "rho"
    assert ax.get_ylabel() == "Lyapunov exponents (nats per unit time)"
    assert [text.get_text() for text in ax.get_legend().get_texts()][-1] == "failed"
    assert len(ax.lines) == 3 + 1  # the zero line


def test_the_band_is_two_standard_errors():
    found = made.spectrum((40,))
    ax = plot.sweep(found)
    top = ax.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1.0 + 2 * 0.01)


def test_a_map_diverges_around_zero_and_marks_failures():
    ax = drawn(plot.sweep(made.spectrum((20, 10), failed=[(0, 0), (0, 1), (1, 0), (1, 1)])))
    norm = ax.collections[0].norm
    assert norm.vmin < 0 == norm.vcenter < norm.vmax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rho", "sigma")
    assert ax.figure.axes[1].get_ylabel() == "largest Lyapunov exponent (nats per unit time)"
    assert ax.get_legend() is not None


def test_a_map_shows_axis_0_to_the_right():
    found = made.spectrum((20, 10))
    shown = plot.sweep(found, index=1).collections[0].get_array()
    np.testing.assert_array_equal(shown.reshape(10, 20), found.exponents[..., 1].T)


@pytest.mark.parametrize("what", ["kaplan_yorke", "n_positive", "entropy", "status", "stderr", "conditioning"])
@pytest.mark.parametrize("shape", [(12,), (12, 7), (12, 1)])
def test_other_quantities(what, shape):
    drawn(plot.sweep(made.spectrum(shape, failed=[(2,) + (0,) * (len(shape) - 1)]), what))


def test_sweeps_that_only_failed_are_drawn():
    found = made.spectrum((3, 2), failed=list(np.ndindex(3, 2)))
    drawn(plot.sweep(found))
    drawn(plot.sweep(found, "n_positive"))


def test_units_follow_the_result():
    assert "bits per step" in plot.sweep(made.spectrum((9,)).per("step").bits()).get_ylabel()


def test_axes_that_grow_by_a_factor_are_logarithmic():
    found = made.spectrum((9,), parameters={"rho": np.geomspace(0.1, 10, 9)})
    assert plot.sweep(found).get_xscale() == "log"
    assert plot.sweep(made.spectrum((9,))).get_xscale() == "linear"


def test_batches_without_values_are_shown_by_index():
    assert plot.sweep(made.spectrum((9,), parameters={})).get_xlabel() == "rho (index)"


def test_spectrum_and_convergence():
    ax = drawn(plot.spectrum(made.spectrum()))
    assert ax.get_ylabel() == "Lyapunov exponent (nats per unit time)"
    ax = drawn(plot.convergence(made.spectrum((4,)), 3))
    assert "running" in ax.get_ylabel() and "time" in ax.get_xlabel()


def test_trajectory_and_bifurcation():
    ax = drawn(plot.trajectory(made.trajectory()))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "z")
    ax = drawn(plot.trajectory(made.trajectory((2,)), [1], index=1))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time", "y")
    drawn(plot.trajectory(made.trajectory(system=made.MAP)))
    assert drawn(plot.bifurcation(made.trajectory((6,)))).get_xlabel() == "rho"


def test_given_axes_are_used():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plot.sweep(made.spectrum((9,)), ax=ax) is ax


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plot.sweep(made.spectrum()), "one or two batch axes"),
        (lambda: plot.sweep(made.spectrum((3,)), "colour"), "`what` must be one of exponents"),
        (lambda: plot.sweep(made.spectrum((3, 2)), index=3), "`index` must be below"),
        (lambda: plot.spectrum(made.spectrum((3,))), "`index` must name one member"),
        (lambda: plot.trajectory(made.trajectory(), [7]), "`components`"),
        (lambda: plot.bifurcation(made.trajectory()), "one batch axis"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, words):
    with pytest.raises(InputError, match=words):
        draw()


def test_pyplot_is_never_imported():
    code = (
        "import sys, made\nfrom fastlyap import plot\n"
        "plot.sweep(made.spectrum((5,))); plot.sweep(made.spectrum((5, 4)))\n"
        "plot.convergence(made.spectrum()); plot.trajectory(made.trajectory())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parent)
