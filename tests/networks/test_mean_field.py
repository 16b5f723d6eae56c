"""Mean-field theory: closed forms, adaptive quadrature, published values, and what wide random networks do."""

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

import fastlyap as fl
from fastlyap.diagnosis.nets import logs_of
from fastlyap.errors import InputError
from fastlyap.networks.activations import ACTIVATIONS
from fastlyap.networks.gaussian import mean, pair_mean

NAMES = sorted(ACTIVATIONS)
PAIRS = 1e-8  # accuracy of averages over pairs that are nearly equal


def adaptive_mean(function):
    """E f(z) by SciPy's adaptive quadrature, split at 0."""

    def weighted(z):
        return float(function(np.array(z))) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

    return sum(quad(weighted, *ends, epsabs=1e-13, limit=400)[0] for ends in ((-12, 0), (0, 12)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_averages_agree_with_adaptive_quadrature(name, scale):
    phi = ACTIVATIONS[name]
    scale = min(scale, 5.0) if name in ("sin", "cos") else scale
    for f in (lambda z: phi.value(scale * z) ** 2, lambda z: phi.slope(scale * z) ** 2):
        assert mean(f) == pytest.approx(adaptive_mean(f), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_are_derivatives(name):
    z = np.array([-30.0, -3.0, -0.7, -0.01, 0.02, 0.9, 4.0, 25.0])
    h = 1e-6 * np.maximum(1.0, np.abs(z))
    slopes = (ACTIVATIONS[name].value(z + h) - ACTIVATIONS[name].value(z - h)) / (2 * h)
    np.testing.assert_allclose(ACTIVATIONS[name].slope(z), slopes, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_and_values_neither_overflow_nor_warn(name):
    with np.errstate(all="raise", under="ignore"):
        for part in ACTIVATIONS[name][:2]:
            assert np.isfinite(part(np.array([-800.0, 0.0, 800.0]))).all()


@pytest.mark.parametrize("c", [-0.9, 0.0, 0.3, 0.99999])
def test_pairs_of_relus_give_the_arc_cosine_kernel(c):
    """Cho & Saul (2009): E relu(u) relu(v) = (sin a + (pi - a) cos a) / 2 pi, E H(u) H(v) = (pi - a) / 2 pi."""
    a = np.arccos(c)
    relu = ACTIVATIONS["relu"]
    assert pair_mean(relu.value, 1.0, c) == pytest.approx((np.sin(a) + (np.pi - a) * c) / (2 * np.pi), rel=PAIRS)
    assert pair_mean(relu.slope, 1.0, c) == pytest.approx((np.pi - a) / (2 * np.pi), rel=PAIRS)


@pytest.mark.parametrize("c", [-0.5, 0.2, 0.999, 1.0])
@pytest.mark.parametrize("scale", [0.3, 5.0])
def test_pairs_of_error_functions_give_the_arc_sine_kernel(c, scale):
    """Williams (1998): E erf(u) erf(v) = 2/pi asin(2 c s^2 / (1 + 2 s^2))."""
    s2 = scale**2
    wanted = 2 / np.pi * np.arcsin(2 * c * s2 / (1 + 2 * s2))
    assert pair_mean(special.erf, scale, c) == pytest.approx(wanted, rel=PAIRS)


def test_relu_in_closed_form():
    found = fl.mean_field("relu", [1.0, np.sqrt(2.0), 2.0], [1.0, 0.0, 0.0])
    np.testing.assert_allclose(found.chi_1, [0.5, 1.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(found.q, [2.0, np.nan, np.inf], rtol=1e-12)
    np.testing.assert_allclose(found.xi_q[0], 1 / np.log(2.0), rtol=1e-12)
    np.testing.assert_allclose(fl.critical_sigma_w("relu", [0.0, 0.7]), np.sqrt(2.0), rtol=1e-12)


PUBLISHED = [  # sigma_w, sigma_b^2, q, chi_1, c, xi_c, xi_q
    (0.5, 0.05, 0.064319, 0.223514, 1.0, 0.6674, 0.6198),
    (0.9, 0.05, 0.140382, 0.653092, 1.0, 2.3472, 1.5294),
    (2.0, 0.05, 2.195494, 1.342402, 0.165065, 6.9803, 0.8733),
    (2.5, 0.05, 4.026778, 1.594750, 0.071904, 5.3094, 0.6962),
    (1.1, 0.0, 0.112750, 1.010189, 0.0, 199.76, 5.5852),
    (1.5, 0.0, 0.793354, 1.139323, 0.0, 17.048, 1.4623),
]


@pytest.mark.parametrize("row", PUBLISHED)
def test_tanh(row):
    sigma_w, variance, *wanted = row
    found = fl.mean_field("tanh", sigma_w, np.sqrt(variance))
    np.testing.assert_allclose([found.q, found.chi_1, found.c], wanted[:3], rtol=0, atol=1e-6)
    np.testing.assert_allclose([found.xi_c, found.xi_q], wanted[3:], rtol=1e-4)


def test_the_critical_line_of_tanh():
    found = fl.critical_sigma_w("tanh", np.sqrt([0.01, 0.05, 0.1])) ** 2
    np.testing.assert_allclose(found, [1.42421, 1.76095, 1.98607], rtol=0, atol=6e-6)
    assert fl.critical_sigma_w("tanh", 0.0) == pytest.approx(1.0, abs=1e-7)
    on_it = fl.mean_field("tanh", fl.critical_sigma_w("tanh", 0.3), 0.3)
    assert on_it.chi_1 == pytest.approx(1.0, abs=1e-10)


def test_sigmoid_vanishes_unless_its_weights_are_very_large():
    found = fl.mean_field("sigmoid", [1.0, 2.0, 4.0, 8.0], np.sqrt(0.05))
    np.testing.assert_allclose(found.chi_1, [0.055, 0.170, 0.397, 0.794], atol=6e-4)
    assert np.all(found.chi_1 <= np.array([1.0, 4.0, 16.0, 64.0]) / 16)
    assert fl.critical_sigma_w("sigmoid", 0.0) > 10


@pytest.mark.parametrize("name,sigma_w,sigma_b", [("tanh", 1.3, 0.2), ("tanh", 2.5, 0.2), ("relu", 1.5, 0.1)])
def test_wide_random_networks_do_as_the_theory_says(name, sigma_w, sigma_b):
    """Growth of gradients per layer: 12 networks of width 400, z-score of their mean against log chi_1."""
    width, depth, phi = 400, 24, ACTIVATIONS[name]
    theory = fl.mean_field(name, sigma_w, sigma_b)
    rates = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        begin = theory.q if np.isfinite(theory.q) else 1.0
        z, slopes, weights = rng.standard_normal(width) * np.sqrt(begin), [], []
        for _ in range(depth):
            weights.append(rng.standard_normal((width, width)) * sigma_w / np.sqrt(width))
            slopes.append(phi.slope(z))
            z = phi.value(z) @ weights[-1] + sigma_b * rng.standard_normal(width)
        g = rng.standard_normal(width)
        start = g @ g
        for W, d in zip(weights[::-1], slopes[::-1], strict=True):
            g = (g @ W.T) * d
        rates.append(np.log(g @ g / start) / depth)
    z = (np.mean(rates) - np.log(theory.chi_1)) / (np.std(rates, ddof=1) / np.sqrt(len(rates)))
    finite_width = 5.0 / width * np.sqrt(len(rates)) / np.std(rates, ddof=1)  # bias of order 1/width
    assert abs(z) < 4.0 + finite_width


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name,sigma_w", [("tanh", 0.9), ("tanh", 1.3), ("tanh", 2.0), ("relu", np.sqrt(2.0))])
def test_growth_of_gradients_in_wide_networks(name, sigma_w):
    """Mean over three networks of width 1000 and depth 40, log of the squared norm per layer, within 0.01."""
    sigma_b = np.sqrt(0.05) if name == "tanh" else 0.0
    theory, rng, rates = fl.mean_field(name, sigma_w, sigma_b), np.random.default_rng(0), []
    size = np.sqrt(theory.q - sigma_b**2) / sigma_w if name == "tanh" else 1.0  # inputs that variances do not move from
    for seed in range(3):
        net = fl.networks.mlp((1000,) * 41, name, name, init="lecun", gain=sigma_w, seed=seed)
        biases = {key: sigma_b * rng.standard_normal(1000) for key in net.parameters if key.endswith("bias")}
        x, w = rng.standard_normal((2, 16, 1000))
        logs = logs_of(net.with_parameters(**biases).cotape(size * x, w)[::2])  # by the arguments of the activations
        rates.append(-2.0 * np.polyfit(np.arange(40), logs.mean(axis=1), 1)[0])
    assert np.mean(rates) == pytest.approx(np.log(theory.chi_1), abs=0.01)


def test_shapes_broadcast():
    found = fl.mean_field("tanh", np.linspace(0.5, 2, 3)[:, None], [0.1, 0.2])
    assert found.chi_1.shape == found.c.shape == (3, 2)
    assert np.all(np.diff(found.chi_1, axis=0) > 0)


BAD = [
    (("swish", 1.0, 0.0), "activation"), ((3, 1.0, 0.0), "activation"), (("tanh", -1.0, 0.0), "sigma_w"),
    (("tanh", 1.0, np.nan), "sigma_b"), (("tanh", np.ones(2), np.ones(3)), "broadcast"),
    (("tanh", "a", 0.0), "sigma_w"),
]  # fmt: skip


@pytest.mark.parametrize("arguments,named", BAD)
def test_bad_arguments(arguments, named):
    with pytest.raises(InputError, match=named):
        fl.mean_field(*arguments)
    if named in ("activation", "sigma_b"):
        with pytest.raises(InputError, match=named):
            fl.critical_sigma_w(arguments[0], arguments[2])
