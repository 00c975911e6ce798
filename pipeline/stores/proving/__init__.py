"""What is asked of a registered model before it serves, in a process that has the libraries of scoring alone."""

from pipeline.stores.proving.compilation import compile_model
from pipeline.stores.proving.proof import Proof, prove_model

__all__ = ["Proof", "compile_model", "prove_model"]
