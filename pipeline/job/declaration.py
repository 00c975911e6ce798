"""What every declaration is built from: frozen models, checked names, things named by dotted path."""

from __future__ import annotations

import importlib
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.addresses import parse_address
from pipeline.errors import DeclarationError

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _check_dotted_path(path: str) -> str:
    module, _, attribute = path.partition(":")
    if not module or not attribute.isidentifier():
        raise ValueError(f"{path!r} is not of the form package.module:attribute")
    return path


def _check_timezone(name: str) -> str:
    ZoneInfo(name)
    return name


def _check_address(address: str) -> str:
    return parse_address(address).addr_spec


DottedPath = Annotated[str, AfterValidator(_check_dotted_path)]
TimezoneName = Annotated[str, AfterValidator(_check_timezone)]
EmailAddress = Annotated[str, AfterValidator(_check_address)]


class Declaration(BaseModel):
    """Base of everything a job is declared with: frozen, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def import_attribute(path: str) -> Any:
    """Import ``package.module:attribute``.

    Raises:
        DeclarationError: there is no such module or attribute, or what it declares is refused.
    """
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DeclarationError(
            f"{path} cannot be imported", found=str(error), next_step="correct the dotted path in the job's declaration"
        ) from error
