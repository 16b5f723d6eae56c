"""Machines that run a plan: the compiled CPU, CUDA, and the plain reference path."""
