"""The basis of every page: templates, assets, headers, cookies and form tokens."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.pages.assets import Assets
from api.pages.forms import check_origin, form_token, read_form
from api.pages.policy import RealtimeSource, page_headers

_TEMPLATES: Final = Path(__file__).parents[2] / "templates" / "pages"
_VISITOR: Final = "visitor"
_VISITOR_LOOKS: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Site:
    """The shared parts of one application's pages.

    Args:
        auth_secret: form tokens are derived from it.
        public_base_url: the address of the product for browsers; on https, cookies are sent encrypted only.
    """

    assets: Assets
    realtime: RealtimeSource
    auth_secret: str
    public_base_url: str
    templates: Environment

    @property
    def secure(self) -> bool:
        """Whether browsers reach the product over https."""
        return self.public_base_url.startswith("https://")


def page_templates(assets: Assets) -> Environment:
    """The environment of `templates/pages/`. Every value is escaped; an unknown name is an error."""
    environment = Environment(
        # Pages use the e-mails' sentences: they import them as `email/words.jinja`.
        loader=ChoiceLoader([FileSystemLoader(_TEMPLATES), FileSystemLoader(_TEMPLATES.parent)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = assets.address
    return environment


class Page:
    """One request for a page, and its answer.

    Attributes:
        session: the visitor's session, once it has been read: form tokens are bound to it.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.site: Site = request.app.state.site
        self.session = ""
        visitor = self.cookie(_VISITOR)
        self._is_new = not _VISITOR_LOOKS.fullmatch(visitor)
        self._visitor = secrets.token_urlsafe(32) if self._is_new else visitor

    @property
    def is_fragment(self) -> bool:
        """Whether htmx requests a part of an open page."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def path(self) -> str:
        """The requested path. `Request.url` would use the Host header, which may be anything."""
        return quote(self.request.scope["path"], safe="/:@")

    @property
    def address(self) -> str:
        """The path with its query."""
        query = self.request.scope["query_string"].decode("latin-1")
        return f"{self.path}?{query}" if query else self.path

    @property
    def token(self) -> str:
        """The token of this visitor's forms."""
        return form_token(self.site.auth_secret, self._visitor, self.session)

    def show(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> Response:
        """Answer with a template; see `render`."""
        return self.send(self.render(template, **context), status, headers)

    def render(self, template: str, **context: Any) -> Markup:
        """Render a template of `templates/pages/`; it also sees `csrf`, `realtime` and `asset()`."""
        shared = {"csrf": self.token, "realtime": self.site.realtime}
        return Markup(self.site.templates.get_template(template).render({**shared, **context}))  # noqa: S704

    def send(self, html: Markup, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Answer with HTML that `render` made."""
        all_headers = {**page_headers(self.site.realtime), **(headers or {})}
        return self._known(HTMLResponse(html, status, all_headers))

    def nothing_new(self) -> Response:
        """204: the part of the page that htmx asked about has not changed."""
        return Response(status_code=204)

    def redirect(self, path: str) -> Response:
        """303 to another page of ours, so that a reload does not send the form again."""
        assert path.startswith("/")
        return self._known(RedirectResponse(path, 303, dict(page_headers(self.site.realtime))))

    async def form(self) -> Mapping[str, str]:
        """Read the fields of the sent form, without its token.

        Set `session` first, as it was when the form was shown.

        Raises:
            ProblemError: 403, the form did not come from a page of ours.
        """
        check_origin(self.request.headers, self.site.public_base_url)
        return await read_form(self.request, self.token)

    def cookie(self, name: str) -> str:
        """A cookie's value; empty without the cookie."""
        return self.request.cookies.get(self._cookie_name(name), "")

    def set_cookie(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        path: str = "/",
        max_age_s: int | None = None,
    ) -> None:
        """Set a cookie that no script can read.

        Args:
            path: the addresses it is sent to.
            max_age_s: how long it lasts; None for until the browser is closed.
        """
        response.set_cookie(
            self._cookie_name(name),
            value,
            path=path,
            max_age=max_age_s,
            httponly=True,
            secure=self.site.secure,
            samesite="lax",  # sent, too, when the visitor comes by a link, from an e-mail or from Stripe
        )

    def forget_cookie(self, response: Response, name: str, *, path: str = "/") -> None:
        """Delete a cookie in the browser."""
        response.delete_cookie(
            self._cookie_name(name), path=path, httponly=True, secure=self.site.secure, samesite="lax"
        )

    def _cookie_name(self, name: str) -> str:
        # Browsers reject a cookie of such a name over an unencrypted connection.
        return f"__Secure-{name}" if self.site.secure else name

    def _known(self, response: Response) -> Response:
        if self._is_new:
            self.set_cookie(response, _VISITOR, self._visitor)
        return response


async def _this_page(request: Request) -> Page:
    return Page(request)


ThisPage = Annotated[Page, Depends(_this_page)]
"""The page being asked for."""
