"""The product's configuration: environment variables, and `.env` in development.

Only `worker.py`, `manage.py` and `api/app.py` read settings; all other code gets its values as arguments.
"""

from __future__ import annotations

import re
import sys
from email.policy import SMTP
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.database_url import parse_address

_STRIPE_KEY: Final = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]+")
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_AUTH_SECRET_LENGTH: Final = 32
_AUTH_SECRET_VARIETY: Final = 6
"""Different characters it must have at least: 32 equal ones are no secret."""


def _plain(value: str) -> str:
    # A copied secret may end in a line break, which would end the HTTP header that carries it.
    if not value.isascii() or not value.isprintable() or " " in value or not value:
        raise ValueError("must not hold blanks, line breaks or letters beyond ASCII: copy it anew")
    return value


def _plain_secret(value: SecretStr) -> SecretStr:
    _plain(value.get_secret_value())
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("must be a host's name or address alone, without scheme, port or path")
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = (
            parts.scheme in {"http", "https"}
            and bool(_HOST.fullmatch(parts.hostname or ""))
            and parts.port != 0
        )
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or "@" in parts.netloc or value != value.strip():
        raise ValueError("must be an http:// or https:// address, without user, query or fragment")
    return value.rstrip("/")


_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?")
_TEMPORAL_ADDRESS: Final = re.compile(r"[^/@\s]+:[0-9]{1,5}")

PlainText = Annotated[str, AfterValidator(_plain)]
PlainSecret = Annotated[SecretStr, AfterValidator(_plain_secret)]
Host = Annotated[str, AfterValidator(_host)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class Settings(BaseSettings):
    """One value per environment variable of the same name in capitals.

    Raises:
        pydantic.ValidationError: a value is missing or malformed.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: PlainText = "default"
    temporal_api_key: PlainSecret | None = None
    temporal_task_queue: PlainText = "bookings"
    temporal_ui_url: WebAddress | None = None
    stripe_secret_key: PlainSecret
    stripe_webhook_secret: SecretStr
    stripe_api_base: WebAddress | None = None
    pusher_app_id: Annotated[str, Field(pattern=r"^[0-9]+$")]
    pusher_key: PlainText
    pusher_secret: PlainSecret
    pusher_cluster: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    pusher_host: Host | None = None
    pusher_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    pusher_ssl: bool = True
    smtp_host: Host
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = False
    email_from: str
    public_base_url: WebAddress
    auth_secret: SecretStr
    authorization_margin_s: Annotated[int, Field(ge=0)] = 3600
    payment_poll_s: Annotated[int, Field(ge=1)] = 300
    # 0 switches a limit off.
    rate_limit_login_per_min: Annotated[int, Field(ge=0)] = 10
    rate_limit_session_per_min: Annotated[int, Field(ge=0)] = 20
    rate_limit_verify_per_min: Annotated[int, Field(ge=0)] = 60
    rate_limit_booking_per_hour: Annotated[int, Field(ge=0)] = 30
    rate_limit_reset_per_hour: Annotated[int, Field(ge=0)] = 5
    rate_limit_link_per_hour: Annotated[int, Field(ge=0)] = 5
    forwarded_allow_ips: str = "127.0.0.1/32,::1/128"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    worker_ready_file: Path | None = None
    worker_processes: Annotated[int, Field(ge=1, le=64)] = 1
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _database_address(cls, value: str) -> str:
        parse_address(value)
        return value

    @field_validator("temporal_address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if not _TEMPORAL_ADDRESS.fullmatch(value):
            raise ValueError("must be host:port, without a scheme")
        return value

    @field_validator("stripe_secret_key")
    @classmethod
    def _secret_or_restricted_key(cls, value: SecretStr) -> SecretStr:
        if not _STRIPE_KEY.fullmatch(value.get_secret_value()):
            raise ValueError(
                "must be a secret or restricted key: sk_test_…, sk_live_…, rk_test_… or rk_live_…"
            )
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _networks(cls, value: str) -> str:
        # A proxy appends to X-Forwarded-For. If every sender were trusted, the first entry would count; callers
        # choose that entry themselves, so limits per address would have no effect.
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
        # An empty secret would accept anyone's signature.
        parts = [part.strip() for part in value.get_secret_value().split(",")]
        if not all(part and part.isascii() and part.isprintable() and " " not in part for part in parts):
            raise ValueError(
                "must be one secret, or several separated by commas, none of them empty or with blanks"
            )
        return value

    @field_validator("smtp_username", "smtp_password")
    @classmethod
    def _one_line(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not text.isprintable():
            raise ValueError("must not hold line breaks or other control characters: copy it anew")
        return value

    @field_validator("email_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        header = SMTP.header_factory("From", value) if value.isprintable() else None
        addresses: tuple[Any, ...] = getattr(header, "addresses", ())
        if (
            header is None
            or header.defects
            or len(addresses) != 1
            or not _ADDRESS.fullmatch(addresses[0].addr_spec)
        ):
            raise ValueError(
                'must be one address: bookings@example.com, or "Hotels, Killarney" <bookings@example.com>'
                " with the name in quotes"
            )
        return value

    @field_validator("auth_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if len("".join(text.split())) < _AUTH_SECRET_LENGTH or len(set(text)) < _AUTH_SECRET_VARIETY:
            raise ValueError(
                "must have 32 characters or more, blanks not counted. For example: openssl rand -hex 32"
            )
        return value

    @model_validator(mode="after")
    def _one_way_to_pusher(self) -> Settings:
        if not (self.pusher_cluster or self.pusher_host):
            raise ValueError("PUSHER_CLUSTER or PUSHER_HOST must be set")
        return self

    @model_validator(mode="after")
    def _whole_login(self) -> Settings:
        if bool(self.smtp_username) != bool(self.smtp_password):
            raise ValueError("SMTP_USERNAME and SMTP_PASSWORD must be set both or neither")
        return self

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """The secrets a webhook may be signed with; several while one is being rolled."""
        return tuple(part.strip() for part in self.stripe_webhook_secret.get_secret_value().split(","))

    @property
    def temporal_arguments(self) -> dict[str, Any]:
        """The arguments of `dispatch.client.connect`."""
        key = self.temporal_api_key
        return {
            "address": self.temporal_address,
            "namespace": self.temporal_namespace,
            "api_key": key.get_secret_value() if key else None,
        }

    @property
    def pusher_arguments(self) -> dict[str, Any]:
        """The arguments of Pusher's client: for a cluster, or for another host that speaks its protocol."""
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
    """Read the environment, or end the process with one line that says what to fix."""
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
