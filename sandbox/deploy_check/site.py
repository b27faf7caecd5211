"""The site of a check: a copy of the repository, `hotel.env`, and the stand-ins outside the containers."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.stack import parts
from sandbox.stack.folder import FolderState
from sandbox.stack.parts import Layout
from sandbox.stack.ports import Ports

NETWORK: Final = "172.30.251.0/24"
AWKWARD: Final = '"Rooms #1 at $HOME, Co." <bookings@hotel-holds.test>'
"""A sender that a careless parser of hotel.env would change."""
_OWNER_ONLY: Final = 0o077
_EVERYBODY_READS: Final = 0o644
_EVERYBODY_READS_FOLDERS: Final = 0o755
_OUTSIDE: Final = ("api", "temporal", "temporal-ui", "stripe", "pusher", "smtp", "inbox")


@dataclass(frozen=True)
class DeploySite:
    """Folder, ports and secrets of one check.

    Args:
        gateway: this machine's address in the containers' network.
        hotel_env: the values in `hotel.env`.
    """

    folder: Path
    layout: Layout
    gateway: str
    hotel_env: Mapping[str, str]

    @property
    def secrets(self) -> list[str]:
        """Texts that no log and no history may contain."""
        return [value for name, value in self.hotel_env.items() if re.search("SECRET|PASSWORD", name)]

    @property
    def repository(self) -> Path:
        """The copy from which the containers are built."""
        return self.folder / "clone"

    @property
    def temporal_address(self) -> str:
        """Temporal's published address."""
        return f"127.0.0.1:{self.layout.ports['temporal']}"


def lay_out(folder: Path, ports: Ports) -> DeploySite:
    """Copy the repository with the modes of a clone under umask 077, and write `hotel.env`."""
    layout = Layout(
        folder=folder,
        ports={name: ports.take() for name in _OUTSIDE},
        folder_state=FolderState(folder),
        database_url="",
        token=secrets.token_hex(),
        extra={},
        ui=False,
    )
    gateway = str(next(ipaddress.ip_network(NETWORK).hosts()))
    site = DeploySite(folder, layout, gateway, _hotel_env(layout, gateway))
    before = os.umask(_OWNER_ONLY)
    try:
        _copy_repository(site.repository)
        lines = [f"{name}='{value}'\n" for name, value in site.hotel_env.items()]
        (site.repository / "hotel.env").write_text("".join(lines))
    finally:
        os.umask(before)
    # As docs/deployment.md says: Temporal's containers are other users.
    for path in (site.repository / "deploy").rglob("*"):
        path.chmod(_EVERYBODY_READS_FOLDERS if path.is_dir() else _EVERYBODY_READS)
    (site.repository / "deploy").chmod(_EVERYBODY_READS_FOLDERS)
    return site


def _copy_repository(target: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(listed, cwd=parts.ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (parts.ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parts.ROOT / name, target / name)


def _hotel_env(layout: Layout, gateway: str) -> Mapping[str, str]:
    ports = layout.ports
    inside = ("DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_CONFIG_FILE")
    product = {name: value for name, value in layout.product.items() if name not in inside}
    return product | {
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "TEMPORAL_POSTGRES_PASSWORD": secrets.token_hex(16),
        "STRIPE_API_BASE": f"http://{gateway}:{ports['stripe']}",
        "PUSHER_HOST": gateway,
        "SMTP_HOST": gateway,
        "EMAIL_FROM": AWKWARD,
        # Short, so that polling recovers a lost webhook within the check.
        "PAYMENT_POLL_S": "10",
        "RATE_LIMIT_BOOKING_PER_HOUR": "0",
        "VERSION": "deploy-check",
        "NETWORK": NETWORK,
        "API_PORT": str(ports["api"]),
        "TEMPORAL_PORT": str(ports["temporal"]),
        "TEMPORAL_UI_PORT": str(ports["temporal-ui"]),
    }
