"""The start: what is malformed is one clear line, names the variable, repeats no secret, and nothing starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings

ROOT = Path(__file__).parents[1]
GOOD = {
    "DATABASE_URL": "postgresql://hotel:hunter2@127.0.0.1:9/hotel",
    "STRIPE_SECRET_KEY": "sk_test_hunter2",
    "STRIPE_WEBHOOK_SECRET": "whsec_one,whsec_two",
    "PUSHER_APP_ID": "100000",
    "PUSHER_KEY": "key",
    "PUSHER_SECRET": "secret",
    "PUSHER_CLUSTER": "eu",
    "SMTP_HOST": "127.0.0.1",
    "EMAIL_FROM": "bookings@hotels.test",
    "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
    "AUTH_SECRET": "an-auth-secret-for-settings-tests-only",
}
MALFORMED = [
    ("DATABASE_URL", "postgresql://hotel:hunter2@127.0.0.1:abc/hotel", "port"),
    ("DATABASE_URL", "postgresql://hotel:hunter2@127.0.0.1/hotel?sslmode=on", "sslmode"),
    ("DATABASE_URL", "postgresql://hotel:hunter2@127.0.0.1/hotel?channel_binding=require", "channel_binding"),
    ("DATABASE_URL", "postgresql://hotel:hunter2@127.0.0.1/hotel?sslrootcert=/nowhere.crt", "sslrootcert"),
    ("DATABASE_URL", "postgresql://hotel:hunter2@127.0.0.1/hotel?connect_timeout=soon", "connect_timeout"),
    ("DATABASE_URL", "postgresql://hotel:hunter2@127.0.0.1/hotel?pool=3", "option"),
    ("DATABASE_URL", "mysql://hotel:hunter2@127.0.0.1/hotel", "postgresql://"),
    ("DATABASE_URL", "postgresql://[::1/hotel", "address"),
    ("EMAIL_FROM", "Killarney, Hotel <a@b.c>", "one address"),
    ("EMAIL_FROM", "a@b.c, d@e.f", "one address"),
    ("EMAIL_FROM", "Killarney", "one address"),
    ("EMAIL_FROM", "a@b.c\nBcc: d@e.f", "one address"),
    ("STRIPE_SECRET_KEY", "sk_test_hunter2\n", "line breaks"),
    ("STRIPE_SECRET_KEY", "sk_test_hun ter2", "blanks"),
    ("STRIPE_SECRET_KEY", "pk_test_hunter2", "sk_test_"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_one,", "none of them empty"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2 whsec_two", "blanks"),
    ("STRIPE_API_BASE", "127.0.0.1:12111", "http://"),
    ("PUSHER_HOST", "https://api.pusher.test", "without scheme"),
    ("PUSHER_HOST", "api.pusher.test:443", "port"),
    ("PUSHER_SECRET", "hunter2\n", "line breaks"),
    ("PUSHER_CLUSTER", "eu/", "PUSHER_CLUSTER"),
    ("SMTP_HOST", "smtp://mail.test", "without scheme"),
    ("SMTP_USERNAME", "hotel", "both or neither"),
    ("PUBLIC_BASE_URL", "hotels.example.com", "http://"),
    ("PUBLIC_BASE_URL", "https://", "http://"),
    ("PUBLIC_BASE_URL", "https://hotels.test:abc", "http://"),
    ("PUBLIC_BASE_URL", "https://hotels.test/?a=b", "query"),
    ("TEMPORAL_ADDRESS", "http://127.0.0.1:7233", "host:port"),
    ("TEMPORAL_ADDRESS", "127.0.0.1", "host:port"),
    ("TEMPORAL_API_KEY", "hunter2\nhunter3", "line breaks"),
    ("AUTH_SECRET", " " * 40, "32 characters"),
    ("AUTH_SECRET", "a" * 40, "32 characters"),
]


def settings_of(**changes: str) -> Settings:
    return Settings(_env_file=None, **{name.lower(): value for name, value in (GOOD | changes).items()})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value", "words"), MALFORMED)
def test_what_is_malformed_is_refused(name: str, value: str, words: str) -> None:
    """By its variable's name, and in words that say what is wrong."""
    with pytest.raises(ValidationError) as refusal:
        settings_of(**{name: value})
    [error] = refusal.value.errors()
    message = f"{'.'.join(map(str, error['loc'])).upper()} {error['msg']}"
    assert words in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_FROM", '"Killarney, Hotel" <a@b.c>'),
        ("EMAIL_FROM", "Hotel Killarney <bookings@hotels.test>"),
        ("DATABASE_URL", "postgresql:///hotel?host=/var/run/postgresql"),
        ("DATABASE_URL", "postgres://h%40tel:p%2Fw@one:5432,two:5433/hotel?target_session_attrs=read-write"),
        ("DATABASE_URL", "postgresql://hotel@[::1]:5432/hotel?sslmode=require&keepalives=1"),
        ("PUSHER_HOST", "::1"),
        ("SMTP_HOST", "mail_relay"),
        ("PUBLIC_BASE_URL", "https://hotels.test/bookings/"),
        ("STRIPE_SECRET_KEY", "rk_live_hunter2"),
        ("TEMPORAL_ADDRESS", "[::1]:7233"),
    ],
)
def test_what_is_right_is_taken(name: str, value: str) -> None:
    assert settings_of(**{name: value})


@pytest.mark.parametrize("program", [("-m", "api"), ("worker.py",), ("manage.py", "migrate")], ids=" ".join)
def test_each_program_ends_with_one_line(program: tuple[str, ...]) -> None:
    """Before it has connected to anything."""
    environment = GOOD | {"DATABASE_URL": MALFORMED[0][1], "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "configuration: DATABASE_URL has a port that is no number from 1 to 65535\n"
