"""LaTeX of recorded rules."""

import numpy as np
import pytest

from fastlyap import math as fm
from fastlyap.system import flow, iterated_map
from fastlyap.trace.latex import symbol


@pytest.mark.parametrize(
    ("name", "latex"),
    [("x", "x"), ("x12", "x_{12}"), ("rho", r"\rho"), ("omega_max", r"\omega_{max}"), ("theta1", r"\theta_{1}"),
     ("coupling", r"\mathrm{coupling}"), ("x1_a", "x_{1,a}")],
)  # fmt: skip
def test_symbols(name, latex):
    assert symbol(name) == latex


def formula(rule, **parameters):
    text = iterated_map(state="x y", parameters=parameters)(lambda t, x, p: (rule(t, x, p), x.y)).to_latex()
    return text.split("&= ")[1].split(r" \\" + "\n")[0]


FORMULAS = [
    (lambda t, x, p: p.a * (x.x - x.y), r"a \, \left(x - y\right)"),
    (lambda t, x, p: x.x - (x.y - p.a), r"x - \left(y - a\right)"),
    (lambda t, x, p: x.x + -x.y, "x -y"),
    (lambda t, x, p: -(x.x + x.y), r"-\left(x + y\right)"),
    (lambda t, x, p: (x.x + 1) ** 2 / 3, r"\frac{\left(x + 1\right)^{2}}{3}"),
    (lambda t, x, p: fm.sin(x.x) ** 2, r"\left(\sin\left(x\right)\right)^{2}"),
    (lambda t, x, p: fm.exp(-x.x) + fm.sqrt(x.y), r"e^{-x} + \sqrt{y}"),
    (lambda t, x, p: abs(x.x) % 1.5, r"\left|x\right| \bmod 1.5"),
    (lambda t, x, p: fm.sigmoid(p.w[1] * t), r"\operatorname{sigmoid}\left(w_{1} \, t\right)"),
    (lambda t, x, p: fm.where((x.x < 0) & (x.y >= 1), x.x, 1e-20),
     r"\begin{cases} x & x < 0 \wedge y \ge 1 \\ 1 \cdot 10^{-20} & \text{otherwise} \end{cases}"),
    (lambda t, x, p: fm.sum([x.x, x.y, 2]) * 0.5, r"\left(x + y + 2\right) \, 0.5"),
    (lambda t, x, p: fm.maximum(x.x, 0) + x.y // 2, r"\max\left(x, 0\right) + \left\lfloor \frac{y}{2} \right\rfloor"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "latex"), FORMULAS)
def test_formulas(rule, latex):
    assert formula(rule, a=1.0, w=np.zeros(2)) == latex


def test_flows_have_dots_and_maps_primes():
    def rule(t, x, p):
        return -x[0]

    assert r"\dot{q} &= -q" in flow(state="q")(rule).to_latex()
    assert "q' &= -q" in iterated_map(state="q")(rule).to_latex()
