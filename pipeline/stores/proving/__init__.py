"""Proof that a registered model can score with the libraries of scoring alone, in a process that has no others."""

from pipeline.stores.proving.proof import Proof, prove_model

__all__ = ["Proof", "prove_model"]
