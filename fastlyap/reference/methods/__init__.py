"""Other ways to the exponents, for comparison: discrete and continuous, by QR and by singular values.

The engine's own way is `discrete_qr`. Source of the comparison: Geist, Parlitz & Lauterborn, Prog. Theor. Phys. 83
(1990) 875; von Bremen, Udwadia & Proskurowski, Physica D 101 (1997) 1. All of them take B members at once.
"""

from fastlyap.reference.methods.continuous_qr import continuous_qr
from fastlyap.reference.methods.continuous_svd import continuous_svd
from fastlyap.reference.methods.discrete_qr import discrete_qr
from fastlyap.reference.methods.discrete_svd import discrete_svd, product_svd
from fastlyap.reference.methods.factors import classical, householder, modified
from fastlyap.reference.methods.found import Found

__all__ = [
    "Found", "classical", "continuous_qr", "continuous_svd", "discrete_qr", "discrete_svd", "householder", "modified",
    "product_svd",
]  # fmt: skip
