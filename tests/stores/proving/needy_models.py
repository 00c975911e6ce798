"""Models that need more than their pickles say."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin


class Constant(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The same for everybody."""

    classes_ = np.array([0, 1])

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """Half."""
        return np.full((len(features), 2), 0.5)


class Needy(Constant):
    """Imports a library when it is loaded."""

    def __init__(self, library: str = "") -> None:
        self.library = library

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        importlib.import_module(self.library)


class Careful(Constant):
    """Does without what is not there, and is noisy about it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        sys.stdout.write("loading")
        if importlib.util.find_spec("mlflow") is not None or "_pytest" in sys.modules:
            raise ValueError("mlflow was found")


class Curious(Constant):
    """Looks for a text in all that its process was started with."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.text in f"{os.environ} {sys.argv} {sys.orig_argv}":
            raise ValueError("it is there")


class Deadly(Constant):
    """Ends the process that loads it, with an exit code."""

    def __init__(self, code: int = 3) -> None:
        self.code = code

    def __setstate__(self, state: dict[str, Any]) -> None:
        os._exit(state["code"])


class Forgetful(Constant):
    """Scores otherwise once it was loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.loaded_ = True

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """Half, and then less."""
        return np.full((len(features), 2), 0.25 if hasattr(self, "loaded_") else 0.5)


class Unpicklable(Constant):
    """Can be written once, and not again once it was loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.loaded_ = True

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "loaded_"):
            raise TypeError("it is open")
        return {"written": True}
