"""The mail catcher's pages: what a person sees, and what a hostile message cannot do."""

from __future__ import annotations

import re
import smtplib
from email.message import EmailMessage

import pytest

from tests.sandbox.stand_in_process import StandInProcess

TAGGED = "<script>alert(1)</script>"


@pytest.fixture
def server(running_mail: StandInProcess) -> StandInProcess:
    return running_mail


def send(server: StandInProcess, subject: str, html: str | None = None) -> str:
    """Send one message with a calendar file; the path of its page."""
    message = EmailMessage()
    message["From"], message["To"] = "bookings@hotel.test", "ada@example.test"
    message["Subject"] = subject
    message.set_content(f"{TAGGED}\nhttps://hotel.test/booking/1\n")
    if html is not None:
        message.add_alternative(html, subtype="html")
    message.add_attachment("BEGIN:VCALENDAR\r\n", subtype="calendar", filename='a "stay".ics')
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=5) as smtp:
        smtp.send_message(message)
    newest = server.http.get("/_sandbox/messages").raise_for_status().json()[-1]
    return f"/messages/{newest['id']}"


def test_inbox_lists_newest_first_and_escaped(server: StandInProcess) -> None:
    """Time, recipient and subject of each message, with a link; a subject is never markup."""
    first = send(server, "First")
    second = send(server, f"Second {TAGGED}")
    page = server.http.get("/").raise_for_status().text
    links = re.findall(r'<a href="(/messages/\d+)">', page)
    assert links[:2] == [second, first]
    assert "Second &lt;script&gt;" in page
    assert "ada@example.test" in page


def test_message_page(server: StandInProcess) -> None:
    """Headers and text are shown escaped, links can be followed, the HTML is in a sandboxed frame."""
    path = send(server, "Booking Confirmed - B1", html="<p>Welcome</p>")
    page = server.http.get(path).raise_for_status().text
    assert "<h1>Booking Confirmed - B1</h1>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert TAGGED not in page
    assert 'href="https://hotel.test/booking/1"' in page
    frame = re.search(r"<iframe [^>]*>", page)
    assert frame
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    assert "Welcome" not in page


def test_html_of_a_message_cannot_run_or_load_anything(server: StandInProcess) -> None:
    """The HTML is served as sent, its links aim at a new tab, and its policy forbids scripts."""
    html = f"<html><head><title>x</title></head><body>{TAGGED}</body></html>"
    answer = server.http.get(send(server, "Hostile", html=html) + "/html").raise_for_status()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert '<head><base target="_blank"><title>x</title>' in answer.text


def test_attachment_is_downloaded(server: StandInProcess) -> None:
    """The calendar file comes with its type and name, for saving rather than showing."""
    path = send(server, "With a file")
    page = server.http.get(path).text
    assert "a &#34;stay&#34;.ics" in page
    answer = server.http.get(f"{path}/attachments/0").raise_for_status()
    assert answer.text.splitlines() == ["BEGIN:VCALENDAR"]
    assert answer.headers["content-type"].startswith("text/calendar")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20%22stay%22.ics"


def test_what_is_not_there_is_404(server: StandInProcess) -> None:
    """An unknown message, attachment or HTML part."""
    path = send(server, "Plain")
    for missing in ("/messages/999999", f"{path}/attachments/1", f"{path}/html"):
        assert server.http.get(missing).status_code == 404
