"""The verb `diagnose`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap import loss as losses
from fastlyap.diagnosis import batches, cell_remedies, cells, net_remedies, nets, position
from fastlyap.diagnosis.batches import Diagnoses
from fastlyap.diagnosis.report import Diagnosis
from fastlyap.diagnosis.verdict import Growth, judge, slope
from fastlyap.errors import InputError
from fastlyap.networks.cells import Cell
from fastlyap.networks.network import Network

FEW = 8  # starts or sequences on which remedies of cells are tried
BATCHES = 8  # for the norm of the parameters' gradient
NOT_KNOWN = np.full(3, np.nan)


def diagnose(
    net: Any, x: Any = None, targets: Any = None, loss: Any = None, *, seed: int = 0
) -> Diagnosis | Diagnoses:
    """What happens to signals and gradients on their way through a network or a cell, and what would change it.

    Parameters
    ----------
    net : Network or recurrent Cell
        One, or a batch, of which every member is diagnosed on its own.
    x : array_like
        Samples (..., B, width) of a network; a drive (..., T, m) of a cell, each of many being a sequence of its own;
        a number of steps for a cell that reads nothing, 200 by default. Of a batch, the axes in front are the batch's.
    targets : array_like, optional
        Labels or target outputs; of the last step for cells. Common to all members of a batch.
    loss : callable or loss, optional
        `fl.loss.cross_entropy` or `fl.loss.mse`, or one of their values, then without `targets`. By default the former
        for whole numbers and the latter for others. Without both, random covectors stand in for gradients.
    seed : int
        Of random covectors, of dropout's masks, and of the starts of cells.

    Returns
    -------
    Diagnosis
        Printable; `fl.plot.gradient_norms` draws it. Of a batch `Diagnoses`: a line for each member when printed, and
        `diagnoses[i]` is the Diagnosis of a member.

    Raises
    ------
    InputError
        For samples or drives of a wrong shape, and targets that do not fit.

    Notes
    -----
    A backward pass is a product of transposed Jacobians, so that gradients grow at the exponents of the layers or steps
    (Pascanu, Mikolov & Bengio, 2013; Schoenholz et al., 2017). Every remedy is tried on a copy, by one more pass.
    """
    seed = cast.count("seed", seed, 0)
    if not isinstance(net, (Cell, Network)):
        raise InputError(f"`net` must be a network or a recurrent cell, got {type(net).__name__}.")
    one = _of_cell if isinstance(net, Cell) else _of_net
    if not (shape := batches.shape_of(net)):
        return one(net, x, targets, loss, seed)
    found = np.empty(shape, dtype=object)
    for index, member, samples in batches.parts(net, x):
        found[index] = one(member, samples, targets, loss, seed)
    return Diagnoses(found)


def _of_net(net: Network, x: Any, targets: Any, loss: Any, seed: int) -> Diagnosis:
    if x is None:
        raise InputError(f"`x` is missing: pass samples of shape (..., B, {', '.join(map(str, net.input_shape))}).")
    y = net.forward(x, seed=seed)
    x, y = np.reshape(x, (-1, *net.input_shape)), y.reshape(-1, *net.output_shape)
    chosen = _loss(targets, loss)
    w = _random(y.shape, seed) if chosen is None else chosen.cotangent(y.reshape(len(y), -1)).reshape(y.shape) * len(y)
    found = nets.measure(net, x, w, seed)
    growth = Growth.of(found.logs)
    rate = slope(growth.median)
    verdict = judge(rate, growth.median, "layer")
    values, expected, condition = (np.full(1, np.nan), np.nan, np.nan)
    if not net.program.coupled:
        values, expected, condition = nets.exponents(net, x, seed)
    place, why = position.of_net(net)
    norm = NOT_KNOWN if chosen is None else _parameter_norm(net, x, w, seed)
    remedies = net_remedies.suggest(
        net, verdict.word, rate, place, norm, lambda made: slope(nets.growth(made, x, w, seed).median)
    )
    coupled = "train-mode batch norm couples the samples: no exponents" if net.program.coupled else ""
    return Diagnosis(
        "net", *found[:3], *_norms(growth), *found[4:], rate, slope(growth.rms), values, expected, condition, place,
        *verdict, norm, remedies, _named(chosen), len(x), tuple(note for note in (why, coupled) if note),
    )  # fmt: skip


def _of_cell(cell: Cell, drive: Any, targets: Any, loss: Any, seed: int) -> Diagnosis:
    given = cells.sequence(cell, drive, seed)
    chosen = _loss(targets, loss)
    end = None if chosen is None else cells.last_covector(cell, given, chosen)
    found = cells.measure(cell, given, end, seed)
    growth = Growth.of(found.logs)
    leave = given.steps // 10  # next to the loss, where directions have not settled
    rate = slope(growth.median, leave)
    verdict = judge(rate, growth.median, "step")
    short = given.first(FEW)

    def measured(made: Any) -> float:
        starts = np.zeros((len(short.starts), made.dim)) if made.dim != cell.dim else short.starts
        logs = cells.measure(made, short._replace(starts=starts), None, seed).logs
        return slope(Growth.of(logs).median, leave)

    T = given.steps
    unknown = np.full(T, np.nan)
    notes = ("the loss is that of the last step",) if chosen is not None else ()
    return Diagnosis(
        "cell", tuple(map(str, range(1, T + 1))), found.widths, found.variance, *_norms(growth), unknown, unknown,
        unknown, rate, slope(growth.rms, leave), cells.exponents(cell, given), np.nan, np.nan, None, *verdict,
        NOT_KNOWN, cell_remedies.suggest(cell, verdict.word, rate, measured), _named(chosen), len(given.starts), notes,
    )  # fmt: skip


def _norms(growth: Growth) -> tuple[np.ndarray, ...]:
    with np.errstate(over="ignore"):
        return tuple(np.exp(logs) for logs in growth)


def _loss(targets: Any, loss: Any) -> Any:
    """The loss of outputs, or None where neither is given."""
    if loss is None and targets is None:
        return None
    if hasattr(loss, "cotangent"):
        if targets is not None:
            raise InputError("`targets` must be left out: `loss` holds them already.")
        return loss
    if targets is None:
        raise InputError("`targets` are missing: `loss` is a function of them.")
    if loss is None:
        labels = np.asarray(targets)
        loss = losses.cross_entropy if labels.dtype.kind in "iu" and labels.ndim == 1 else losses.mse
    if not callable(loss):
        raise InputError(f"`loss` must be `fl.loss.cross_entropy`, `fl.loss.mse` or a loss, got {loss!r:.60}.")
    return loss(targets)


def _named(loss: Any) -> str:
    return "random" if loss is None else repr(loss).partition("(")[0].replace("_", " ")


def _random(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Covectors of length 1."""
    w = np.random.default_rng(seed).standard_normal((shape[0], int(np.prod(shape[1:]))))
    return (w / np.linalg.norm(w, axis=1, keepdims=True)).reshape(shape)


def _parameter_norm(net: Network, x: np.ndarray, w: np.ndarray, seed: int) -> np.ndarray:
    """Median, rms and largest norm of the mean gradient by all parameters over a few batches."""
    norms = []
    for part in np.array_split(np.arange(len(x)), min(BATCHES, len(x) // 2 or 1)):
        found = net.backward(x[part], w[part] / len(part), seed=seed, input=False).parameters
        norms.append(np.sqrt(sum(float(np.sum(g**2)) for g in found.values())))
    return np.array([np.median(norms), np.sqrt(np.mean(np.square(norms))), max(norms)])
