"""Print the vector operations of `fastlyap.kernel.model.Model` for tuples of n lane values."""

from fastlyap.trace.printer import function, tuple_of, unpack


def print_algebra(n: int) -> str:
    """The text of get, put, axpy, scale, dot, choose, zero, mean_square, project and stage."""
    each = range(n)
    text = function("get", "S, o", [], tuple_of(f"S[o + {i}]" for i in each))
    text += function("span", "k", [], str(n))
    text += function("bundle", "S, o, span", [], "get(S, o)")
    text += function("put", "S, o, x", [f"S[o + {i}] = x[{i}]" for i in each], None)
    text += function("axpy", "h, a, x, out", [], tuple_of(f"x[{i}] + h * a[{i}]" for i in each))
    text += function("scale", "s, a, out", [], tuple_of(f"s * a[{i}]" for i in each))
    text += function("dot", "a, b", [], " + ".join(f"a[{i}] * b[{i}]" for i in each))
    text += function("choose", "mask, a, b, out", [], tuple_of(f"select(mask, a[{i}], b[{i}])" for i in each))
    text += function("zero", "x, out", [], tuple_of(f"like(x[{i}], 0.0)" for i in each))
    lines = [unpack("e", n, "e")]
    lines += [f"e{i} = e{i} / (atol + rtol * maximum(abs(x[{i}]), abs(y[{i}])))" for i in each]
    mean = f"({' + '.join(f'e{i} * e{i}' for i in each)}) * like(e0, {1.0 / n!r})"
    text += function("mean_square", "e, x, y, rtol, atol", lines, mean)
    lines = [
        f"u = get(S, first + j * {n})",
        "for m in range(j + 1, k):",
        f"    w = get(S, first + m * {n})",
        f"    put(S, first + m * {n}, axpy(-dot(u, w), u, w, S))",
    ]
    text += function("project", "S, first, j, k, Z", lines, None)
    text += _volume(n)
    lines = ["k = tangent(J, o, P, w, K)"]
    arguments = "J, o, P, w, v, r, weight, ahead, R, Y, K"
    text += function("stage", arguments, lines, "axpy(weight, k, r, R), axpy(ahead, k, v, Y)")
    return text + function("add", "J, o, P, w, r, weight, R, K", lines, "axpy(weight, k, r, R)")


def _volume(n: int) -> str:
    """|det| of the frame as (mantissa, exponent): written out up to n = 3, by reflections above.

    For n = 3 the part along the first vector is taken out of the others beforehand: vectors that have turned into
    the leading direction leave a determinant far below the products it is the difference of.
    """
    if n > 3:
        return "volume = frame.volume\n\n\n"
    lines = [f"v{i} = S[{n + 1 + i}]" for i in range(n * n)]
    if n == 3:
        lines += [
            "s = v0 * v0 + v1 * v1 + v2 * v2",
            "s = select(s > like(s, 0.0), like(s, 1.0) / s, s)",
            "a = (v0 * v3 + v1 * v4 + v2 * v5) * s",
            "b = (v0 * v6 + v1 * v7 + v2 * v8) * s",
        ]
        lines += [f"v{3 + i} = v{3 + i} - a * v{i}" for i in range(3)]
        lines += [f"v{6 + i} = v{6 + i} - b * v{i}" for i in range(3)]
    result = {
        1: "abs(v0)",
        2: "abs(v0 * v3 - v1 * v2)",
        3: "abs(v0 * (v4 * v8 - v5 * v7) - v1 * (v3 * v8 - v5 * v6) + v2 * (v3 * v7 - v4 * v6))",
    }[n]
    return function("volume", "n, S, V", lines, f"{result}, like(v0, 0.0)")
