"""Pages for guests and staff, rendered on the server. They follow the API's rules and add none.

The parts to build on:

`routing.page_router()`         a router whose errors (`ProblemError`, validation) are answered as HTML
`routing.answer`                answers any error: a page for people, JSON for programs
`site.ThisPage`                 a parameter of every route: the requested page

    page.show("staff/queue.html", status=200, headers=None, **context) -> Response
                                templates/pages/; sees `csrf`, `realtime`, `asset("pages.css")`
    page.is_fragment            htmx asks: render a part instead of the page
    page.nothing_new()          204, htmx leaves its part as it is
    page.redirect("/staff/")    303; after every form that changed something
    await page.form()           fields of a form, once origin and token are checked (403 page otherwise);
                                set `page.session` first to the sender's session, as when the form was shown
    page.cookie(name), page.set_cookie(response, name, value, path=…, max_age_s=…),
    page.forget_cookie(response, name, path=…)
                                HttpOnly; Secure and named __Secure-… on https; SameSite=Lax
    page.site                   Site: assets, realtime, templates, public_base_url, auth_secret

`templates/pages/base.html`     blocks title, head, header, main, footer
`templates/pages/forms.html`    macros token(csrf), input, textarea, select, summary(errors)
`static/pages.css`              .sheet .columns .narrow .row .notice[.good|.wait|.bad] .status[.good|.wait|.bad]
                                dl.facts .timeline .fields .field .button[.plain] .unseen .scroll
`static/pages.js`               data-live, data-live-auth, data-live-poll, data-announce, data-title, data-once,
                                data-busy, data-retry, data-focus: described at its top
                                `page.form()` also takes the token from the header X-CSRF-Token, which
                                pusher-js sends to `data-live-auth`
any *.css, *.js, *.svg in static/ is served; `{% if asset("x") %}` only for files of node_modules

The policy forbids inline script, inline style (also style="…"), other origins, and forms to other origins.
`app.py` lists the routers.
"""
