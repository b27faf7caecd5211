"""The product's configuration: environment variables, and `.env` in development.

Only `worker.py`, `manage.py` and `api/app.py` read settings; everything else is handed what it needs.
"""

from __future__ import annotations

import sys
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

NonEmptySecret = Annotated[SecretStr, Field(min_length=1)]


class Settings(BaseSettings):
    """One value per environment variable of the same name in capitals.

    Raises:
        pydantic.ValidationError: a value is missing or malformed.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_api_key: SecretStr | None = None
    temporal_task_queue: str = "bookings"
    temporal_ui_url: str | None = None
    stripe_secret_key: Annotated[SecretStr, Field(min_length=8)]
    stripe_webhook_secret: NonEmptySecret
    stripe_api_base: str | None = None
    pusher_app_id: Annotated[str, Field(pattern=r"^\d+$")]
    pusher_key: Annotated[str, Field(min_length=1)]
    pusher_secret: NonEmptySecret
    pusher_cluster: str | None = None
    pusher_host: str | None = None
    pusher_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    pusher_ssl: bool = True
    smtp_host: str
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = False
    email_from: Annotated[str, Field(pattern=r"^[^@]+@[^@]+$")]
    public_base_url: str
    auth_secret: Annotated[SecretStr, Field(min_length=32)]
    authorization_margin_s: Annotated[int, Field(ge=0)] = 3600
    payment_poll_s: Annotated[int, Field(ge=1)] = 300
    # 0 switches a limit off.
    rate_limit_login_per_min: Annotated[int, Field(ge=0)] = 10
    rate_limit_session_per_min: Annotated[int, Field(ge=0)] = 20
    rate_limit_verify_per_min: Annotated[int, Field(ge=0)] = 60
    rate_limit_booking_per_hour: Annotated[int, Field(ge=0)] = 30
    forwarded_allow_ips: str = "127.0.0.1/32,::1/128"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, value: str) -> str:
        if urlsplit(value).scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
            raise ValueError("must be a postgresql:// address")
        return value

    @field_validator("public_base_url", "stripe_api_base", "temporal_ui_url")
    @classmethod
    def _http_address(cls, value: str | None) -> str | None:
        if value is not None and (
            urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc
        ):
            raise ValueError("must be an http:// or https:// address")
        return value.rstrip("/") if value else value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _networks(cls, value: str) -> str:
        # A proxy appends to X-Forwarded-For. Where everybody is believed, the first entry counts, which is the
        # caller's own to choose, and limits per address limit nothing.
        try:
            networks = [ip_network(part.strip(), strict=False) for part in value.split(",")]
        except ValueError:
            raise ValueError("must name the proxy's addresses or networks, such as 10.0.3.0/24") from None
        if not all(network.prefixlen for network in networks):
            raise ValueError("must name the proxy's network, not every address")
        return ",".join(str(network) for network in networks)

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _no_empty_webhook_secret(cls, value: SecretStr) -> SecretStr:
        # An empty secret would verify anybody's signature.
        if not all(part.strip() for part in value.get_secret_value().split(",")):
            raise ValueError("must be one secret, or several separated by commas, none of them empty")
        return value

    @model_validator(mode="after")
    def _one_way_to_pusher(self) -> Settings:
        if not (self.pusher_cluster or self.pusher_host):
            raise ValueError("PUSHER_CLUSTER or PUSHER_HOST must be set")
        return self

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """The secrets a webhook may be signed with; several while one is being rolled."""
        return tuple(part.strip() for part in self.stripe_webhook_secret.get_secret_value().split(","))

    @property
    def temporal_arguments(self) -> dict[str, Any]:
        """How `dispatch.client.connect` reaches Temporal."""
        key = self.temporal_api_key
        return {
            "address": self.temporal_address,
            "namespace": self.temporal_namespace,
            "api_key": key.get_secret_value() if key else None,
        }

    @property
    def pusher_arguments(self) -> dict[str, Any]:
        """How Pusher's client is built: for a cluster, or for another host that speaks its protocol."""
        return {
            "app_id": self.pusher_app_id,
            "key": self.pusher_key,
            "secret": self.pusher_secret.get_secret_value(),
            "cluster": self.pusher_cluster,
            "host": self.pusher_host,
            "port": self.pusher_port,
            "ssl": self.pusher_ssl,
        }

    @property
    def stripe_livemode(self) -> bool:
        """Whether the secret key is a live one; test keys carry `_test_`."""
        return "_live_" in self.stripe_secret_key.get_secret_value()


def load_settings() -> Settings:
    """Read the environment, or end the process with one line that says what to mend."""
    try:
        return Settings()  # the values come from the environment
    except ValidationError as error:
        problems = "; ".join(_problem(item["loc"], item["msg"], item["type"]) for item in error.errors())
        sys.exit(f"configuration: {problems}")


def _problem(location: tuple[int | str, ...], message: str, kind: str) -> str:
    # The offending value is left out on purpose: it may be a secret.
    name = ".".join(str(part) for part in location).upper()
    text = "is missing" if kind == "missing" else message.removeprefix("Value error, ")
    return f"{name} {text}".strip()
