"""A map whose members kill the process that computes them where `fate` > 1.5, and never come to an end above 2.5."""

import ctypes
import math

import fastlyap as fl

abort = ctypes.CDLL(None).abort
abort.argtypes = []
abort.restype = None


def rule(t, x, p, out):
    if p[1] > 2.5:
        while p[1] > 2.5:
            pass
    if p[1] > 1.5:
        abort()
    s = 0.0
    for i in range(int(p[2])):
        s += math.sin(x[0] + i)
    out[0] = p[0] * x[0] * (1.0 - x[0]) + 0.0 * s


def tangent(t, x, v, p, out):
    out[0] = p[0] * (1.0 - 2.0 * x[0]) * v[0]


def system():
    """The logistic map, with two parameters more."""
    return fl.System.from_kernels(
        kind="map",
        dim=1,
        parameters=dict(r=3.9, fate=0.0, work=0.0),
        rule=rule,
        tangent=tangent,
        x0=(0.3,),
        name="deadly",
    )
