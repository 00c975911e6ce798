"""Settings: the only place that reads the environment.

``docs/operations.md`` lists every variable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Settings(BaseModel):
    """Where things are.  Read once with :meth:`from_environment`, then passed on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(description="folder of everything local: embedded services, the default lake, logs")
    lake: str = Field(description="root of the lake, a path or an fsspec URL")
    redis_url: SecretStr = Field(description="Redis that serves predictions; the publisher's user")
    redis_reader_url: SecretStr = Field(
        default=SecretStr(""), description="the same; the reader's user; empty for none"
    )
    redis_janitor_url: SecretStr = Field(
        default=SecretStr(""), description="the same; the janitor's user; empty for none"
    )
    embedded_redis: bool = Field(default=True, description="no Redis was named, so local services bring their own")
    jobs: tuple[str, ...] = Field(description="dotted paths of modules that declare jobs outside pipeline.jobs")
    mlflow_uri: SecretStr = Field(description="MLflow tracking server or store; empty for none")
    parallel: str = Field(
        description="joblib backend for shards: 'processes', 'processes:N', 'inline' or 'dask://host:port'"
    )
    alert_webhook: SecretStr = Field(description="URL that alerts are posted to, beside the log; empty for none")
    smtp_url: SecretStr = Field(
        default=SecretStr(""), description="mail server, smtp(s)://user:password@host:port, for alerts; empty for none"
    )
    alert_from: str = Field(default="", description="address that mails come from")
    runbooks: str = Field(default="docs/operations.md", description="page of runbooks that alerts link to")
    moved_clock: str = Field(
        default="", description="what the clock shows: a moment (RFC 3339), or an offset (ISO 8601); empty for the time"
    )
    signing_keys: tuple[SecretStr, ...] = Field(
        default=(), description="keys of models: the first signs, a model signed by any is accepted; empty for none"
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""), description="what Prometheus must show to read metrics; empty for no endpoint"
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the ``NIGHTJAR_*`` variables; whatever is unset gets its local default."""
        home = Path(environment.get("NIGHTJAR_HOME") or ".nightjar").absolute()
        embedded_redis = not environment.get("NIGHTJAR_REDIS_URL")
        given = {name: value for name, value in environment.items() if value}
        # A Redis that was named has users of its own, not those of the embedded one.
        addresses = _read_service_addresses(home)
        found = {name: url for name, url in addresses.items() if embedded_redis or "_REDIS_" not in name}
        environment = {**_read_signing_key(home), **found, **given}
        return cls(
            home=home,
            lake=environment.get("NIGHTJAR_LAKE") or str(home / "lake"),
            redis_url=SecretStr(environment.get("NIGHTJAR_REDIS_URL") or "redis://127.0.0.1:6379/0"),
            redis_reader_url=SecretStr(environment.get("NIGHTJAR_REDIS_READER_URL", "")),
            redis_janitor_url=SecretStr(environment.get("NIGHTJAR_REDIS_JANITOR_URL", "")),
            embedded_redis=embedded_redis,
            jobs=_split(environment.get("NIGHTJAR_JOBS", "")),
            mlflow_uri=SecretStr(environment.get("NIGHTJAR_MLFLOW_URI", "")),
            parallel=environment.get("NIGHTJAR_PARALLEL") or "processes",
            alert_webhook=SecretStr(environment.get("NIGHTJAR_ALERT_WEBHOOK", "")),
            smtp_url=SecretStr(environment.get("NIGHTJAR_SMTP_URL", "")),
            alert_from=environment.get("NIGHTJAR_ALERT_FROM", ""),
            runbooks=environment.get("NIGHTJAR_RUNBOOKS") or "docs/operations.md",
            moved_clock=environment.get("NIGHTJAR_CLOCK", ""),
            signing_keys=tuple(map(SecretStr, _split(environment.get("NIGHTJAR_SIGNING_KEY", "")))),
            metrics_token=SecretStr(environment.get("NIGHTJAR_METRICS_TOKEN", "")),
        )

    @property
    def url_for_reading(self) -> str:
        """Redis for who only reads: with the reader's user where one is named."""
        return self.redis_reader_url.get_secret_value() or self.redis_url.get_secret_value()

    @property
    def url_for_cleaning(self) -> str:
        """Redis for who removes what was superseded: with the janitor's user where one is named."""
        return self.redis_janitor_url.get_secret_value() or self.redis_url.get_secret_value()

    def for_workers(self) -> Settings:
        """What a process needs that works on shards: lake, jobs and the keys of models, and it starts no others."""
        return Settings(
            home=self.home,
            lake=self.lake,
            redis_url=SecretStr(""),
            embedded_redis=False,
            jobs=self.jobs,
            mlflow_uri=SecretStr(""),
            parallel="inline",
            alert_webhook=SecretStr(""),
            moved_clock=self.moved_clock,
            signing_keys=self.signing_keys,
        )

    def to_environment(self) -> dict[str, str]:
        """The variables from which :meth:`from_environment` makes these settings again, secrets included."""
        return {
            "NIGHTJAR_HOME": str(self.home),
            "NIGHTJAR_LAKE": self.lake,
            "NIGHTJAR_REDIS_URL": self.redis_url.get_secret_value(),
            "NIGHTJAR_REDIS_READER_URL": self.redis_reader_url.get_secret_value(),
            "NIGHTJAR_REDIS_JANITOR_URL": self.redis_janitor_url.get_secret_value(),
            "NIGHTJAR_JOBS": " ".join(self.jobs),
            "NIGHTJAR_MLFLOW_URI": self.mlflow_uri.get_secret_value(),
            "NIGHTJAR_PARALLEL": self.parallel,
            "NIGHTJAR_ALERT_WEBHOOK": self.alert_webhook.get_secret_value(),
            "NIGHTJAR_SMTP_URL": self.smtp_url.get_secret_value(),
            "NIGHTJAR_ALERT_FROM": self.alert_from,
            "NIGHTJAR_RUNBOOKS": self.runbooks,
            "NIGHTJAR_CLOCK": self.moved_clock,
            "NIGHTJAR_SIGNING_KEY": " ".join(key.get_secret_value() for key in self.signing_keys),
            "NIGHTJAR_METRICS_TOKEN": self.metrics_token.get_secret_value(),
        }


def storage_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What AWS's library reads: where an object store is, and who may use it.  For processes that open the lake."""
    return {name: value for name, value in environment.items() if name.startswith("AWS_")}


def service_addresses_path(home: Path) -> Path:
    """File in which the embedded services say where they are, as variables, for as long as they run."""
    return home / "services" / "environment.json"


def credentials_path(home: Path) -> Path:
    """File of the passwords and keys of the embedded services; it stays when they end."""
    return home / "services" / "credentials.json"


def _read_signing_key(home: Path) -> dict[str, str]:
    """The key that the embedded services of this home sign models with, so that commands accept those models."""
    try:
        credentials: dict[str, str] = json.loads(credentials_path(home).read_text())
    except FileNotFoundError:
        return {}
    return {"NIGHTJAR_SIGNING_KEY": credentials.get("signing_key", "")}


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.replace(",", " ").split())


def _read_service_addresses(home: Path) -> dict[str, str]:
    try:
        addresses: dict[str, str] = json.loads(service_addresses_path(home).read_text())
    except FileNotFoundError:
        return {}
    return addresses
