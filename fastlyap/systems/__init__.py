"""The catalogue: well-known systems with defaults that work, and what is known of their exponents.

`fl.systems.lorenz63()` gives a System; `print(fl.systems.catalogue())` lists all.
"""

from fastlyap.systems.area_maps import baker, cat, standard
from fastlyap.systems.delay import delayed_rosslers, mackey_glass
from fastlyap.systems.hamiltonian import double_pendulum, fput, henon_heiles
from fastlyap.systems.interval_maps import logistic, skew_tent, tent
from fastlyap.systems.listing import Catalogue, Entry
from fastlyap.systems.lorenz import chen, lorenz63, lorenz84, lorenz96
from fastlyap.systems.mixing import double_gyre, thomas
from fastlyap.systems.oscillators import duffing, kuramoto, van_der_pol
from fastlyap.systems.plane_maps import henon, ikeda, lozi
from fastlyap.systems.random_systems import noisy_logistic, random_matrix_product, stochastic_lorenz96
from fastlyap.systems.rossler import coupled_rossler, hyper_rossler, rossler
from fastlyap.systems.space_maps import coupled_logistic, folded_towel, solenoid
from fastlyap.systems.waves import kuramoto_sivashinsky

_ALL = (
    logistic, tent, skew_tent, cat, baker, henon, lozi, ikeda, standard, folded_towel, coupled_logistic, solenoid,
    lorenz63, rossler, hyper_rossler, lorenz84, chen, thomas, duffing, van_der_pol, double_gyre, henon_heiles,
    double_pendulum, fput, lorenz96, kuramoto, coupled_rossler, kuramoto_sivashinsky,
    noisy_logistic, random_matrix_product, stochastic_lorenz96, mackey_glass, delayed_rosslers,
)  # fmt: skip

__all__ = [
    "Catalogue", "Entry", "baker", "cat", "catalogue", "chen", "coupled_logistic", "coupled_rossler",
    "delayed_rosslers", "double_gyre", "double_pendulum", "duffing", "folded_towel", "fput", "henon", "henon_heiles",
    "hyper_rossler", "ikeda", "kuramoto", "kuramoto_sivashinsky", "logistic", "lorenz63", "lorenz84", "lorenz96",
    "lozi", "mackey_glass", "noisy_logistic", "random_matrix_product", "rossler", "skew_tent", "solenoid", "standard",
    "stochastic_lorenz96", "tent", "thomas", "van_der_pol",
]  # fmt: skip


def catalogue() -> Catalogue:
    """All systems at their defaults: name, dimension, kind, known exponents (or sum) with their source."""
    return Catalogue(Entry.of(make()) for make in _ALL)
