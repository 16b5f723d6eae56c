"""Bridges into other frameworks' automatic differentiation; a framework is imported when its bridge is used."""

from fastlyap.bridges import jax, torch

__all__ = ["jax", "torch"]
