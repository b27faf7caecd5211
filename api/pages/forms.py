"""Forms that only our own pages can send.

A form carries a token derived from a cookie no script can read and from whatever logs its sender in; a page
of another site can neither read nor guess it. Browsers also say where a form comes from, and are believed.
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
"""How script sends the token where there is no form."""

_MOST_FIELDS: Final = 60


def form_token(auth_secret: str, visitor: str, session: str) -> str:
    """The token of one visitor's forms.

    Args:
        visitor: a random cookie of theirs.
        session: what logs them in; empty for who is not logged in.
    """
    about = "\0".join(("form", visitor, session))
    return hmac.new(auth_secret.encode(), about.encode(), hashlib.sha256).hexdigest()


def refused() -> ProblemError:
    """403: the form did not come from our page, or from one that has been logged out since."""
    detail = (
        "This form is out of date. Load the page again and repeat what you did; nothing has been changed."
    )
    return ProblemError(403, "form_refused", detail)


def check_origin(headers: Headers, public_base_url: str) -> None:
    """Refuse a form that a browser says another site has sent.

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
    """Host and port of an address; empty for what is none, which is nobody's."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


async def read_form(request: Request, token: str) -> Mapping[str, str]:
    """The fields of a form, if it carries `token`. Files are left out; of several values the last counts.

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
