"""What happens to signals and gradients in a network, layer by layer or step by step, and what to do about it."""

from fastlyap.diagnosis.batches import Diagnoses
from fastlyap.diagnosis.report import Diagnosis, Position, Remedy
from fastlyap.diagnosis.verb import diagnose

__all__ = ["Diagnoses", "Diagnosis", "Position", "Remedy", "diagnose"]
