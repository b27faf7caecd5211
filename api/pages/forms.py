"""Forms that only the product's own pages can send.

A form carries a token derived from a cookie that no script can read and from its sender's session; a page of
another site can neither read nor guess it. The origin that a browser sends with a form is checked as well.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from api.errors import ProblemError

FIELD: Final = "csrf"
HEADER: Final = "X-CSRF-Token"
"""The header in which scripts send the token if there is no form."""

_MOST_FIELDS: Final = 60


def form_token(auth_secret: str, visitor: str, session: str) -> str:
    """The token of one visitor's forms.

    Args:
        visitor: a random cookie of theirs.
        session: the visitor's session; empty without one.
    """
    about = "\0".join(("form", visitor, session))
    return hmac.new(auth_secret.encode(), about.encode(), hashlib.sha256).hexdigest()


def refused() -> ProblemError:
    """403: the form did not come from a page of ours, or its sender has logged out since."""
    detail = "This form is out of date. Load the page again and repeat your change; nothing has been saved."
    return ProblemError(403, "form_refused", detail)


def check_origin(headers: Headers, public_base_url: str) -> None:
    """Refuse a form that another site has sent, by the browser's headers.

    Raises:
        ProblemError: 403.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise refused()
        return
    origin = headers.get("origin")
    if origin is not None and _site(origin) not in {_site(public_base_url), headers.get("host")}:
        raise refused()


def _site(address: str) -> str:
    """The host and port of an address; empty if it has none."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


async def read_form(request: Request, token: str) -> Mapping[str, str]:
    """Read the fields of a form if it carries `token`. Files are left out; of several values the last counts.

    Raises:
        ProblemError: 403, the token is missing or wrong.
    """
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    given = request.headers.get(HEADER) or fields.pop(FIELD, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise refused()
    fields.pop(FIELD, None)
    return fields
