"""The static files of pages: the product's own in `static/`, and a fixed list of files from `node_modules/`.

Each file is served from our own origin under an address with a hash of its content, so that browsers may keep it
for ever. Only the files named here are served.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.errors import not_found

log = logging.getLogger("api.pages")

_ROOT: Final = Path(__file__).parents[2]
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VENDORED: Final = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "pusher.js": "pusher-js/dist/web/pusher.min.js",
    "swagger-ui.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
}
_HASH_LENGTH: Final = 16
_KEEP_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A served file.

    Args:
        address: its path on the product's origin.
        packed: its content, compressed by gzip.
    """

    address: str
    media_type: str
    content: bytes
    packed: bytes


class Assets:
    """All files that pages may load, read once.

    Args:
        root: the folder that holds `static/` and `node_modules/`.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        own = {path.name: path for path in sorted((root / "static").iterdir()) if path.suffix in _TYPES}
        vendored = {name: root / "node_modules" / path for name, path in _VENDORED.items()}
        missing = sorted(name for name, path in vendored.items() if not path.is_file())
        if missing:
            log.warning(
                "pages run without %s: node_modules is not complete; `npm ci --ignore-scripts` fills it. "
                "All functions work without script, but pages do not update themselves.",
                ", ".join(missing),
            )
        present = {name: path for name, path in vendored.items() if name not in missing}
        self._assets: Mapping[str, Asset] = {
            name: _read(name, path) for name, path in (own | present).items()
        }
        self._by_address = {asset.address: asset for asset in self._assets.values()}

    def address(self, name: str) -> str | None:
        """The path of a file; None for a file that is missing from `node_modules/`."""
        asset = self._assets.get(name)
        assert asset is not None or name in _VENDORED, f"there is no static/{name}"
        return asset.address if asset else None

    def at(self, address: str) -> Asset | None:
        """The file served under a path."""
        return self._by_address.get(address)


def _read(name: str, path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
    return Asset(
        address=f"/static/{digest}/{name}",
        media_type=_TYPES[Path(name).suffix],
        content=content,
        packed=gzip.compress(content, mtime=0),
    )


router = APIRouter(include_in_schema=False)


@router.get("/static/{digest}/{name}")
async def serve(request: Request, digest: str, name: str) -> Response:
    """Serve one file; 404 for an older version of it, because the page that names it is outdated."""
    assets: Assets = request.app.state.site.assets
    asset = assets.at(f"/static/{digest}/{name}")
    if asset is None:
        raise not_found("file")
    headers = {"Cache-Control": _KEEP_FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
