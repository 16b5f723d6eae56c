"""Area-preserving maps: Arnold's cat, the baker, Chirikov's standard map."""

from __future__ import annotations

import math

from fastlyap.definition import Known
from fastlyap.math import mod, pi, sin, where
from fastlyap.system import System, iterated_map


def cat() -> System:
    """Arnold's cat: (x, y)' = (2 x + y, x + y) mod 1."""
    exponent = math.log((3.0 + math.sqrt(5.0)) / 2.0)

    @iterated_map(
        state="x y",
        x0=(0.1, 0.2),
        known=Known((exponent, -exponent), (0.0, 0.0), sum=0.0, source="exact: ln((3 + sqrt 5)/2)"),
    )
    def cat(t, x, p):
        return mod(2 * x.x + x.y, 1.0), mod(x.x + x.y, 1.0)

    return cat


def baker() -> System:
    """The baker: the square is cut at x = a, both parts are stretched to full width and piled up.

    The cut is at 0.3: dyadic cuts such as 1/2 send every float64 orbit to 0 within 56 steps.
    """
    a = 0.3
    exponent = -a * math.log(a) - (1 - a) * math.log(1 - a)

    @iterated_map(
        state="x y",
        parameters={"a": a},
        x0=(0.37, 0.41),
        known=Known((exponent, -exponent), (0.0, 0.0), sum=0.0, source="exact: -a ln a - (1 - a) ln(1 - a)"),
    )
    def baker(t, x, p):
        left = x.x < p.a
        return (
            where(left, x.x / p.a, (x.x - p.a) / (1 - p.a)),
            where(left, p.a * x.y, p.a + (1 - p.a) * x.y),
        )

    return baker


def standard() -> System:
    """Chirikov's standard map: p' = p + K sin x, x' = x + p', both mod 2 pi, at K = 10.

    At K near 1 the chaotic sea is sticky: exponents of different starts spread for millions of steps.
    """

    @iterated_map(
        state="x p",
        parameters={"K": 10.0},
        x0=(1.0, 0.5),
        known=Known(
            exponents=(1.62035, -1.62035),
            stderr=(0.00025, 0.00025),
            sum=0.0,
            source="independent runs, 8 starts; sum and pairing exact",
            note="ln(K/2) = 1.60944 is the estimate for large K",
        ),
    )
    def standard(t, x, p):
        momentum = x.p + p.K * sin(x.x)
        return mod(x.x + momentum, 2 * pi), mod(momentum, 2 * pi)

    return standard
