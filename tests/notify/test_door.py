"""Messages leave as they should, and nothing a server does, or a name resolves to, leads anywhere else."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import ConfigError
from sentinel.notify.door import Target, UndeliveredError, deliver, opened
from sentinel.notify.guard import allowed, guarded
from sentinel.notify.message import Message
from tests.notify.servers import MailServer, WebServer

AT = datetime(2026, 11, 27, 8, tzinfo=UTC)
MESSAGE = Message(
    "ab" * 16, "team", "raised", "r", "high", AT, AT, title="Prüfung: 3 Alarme", body="Zeile 1\n.\nZeile ä"
)
OWN = ("127.0.0.0/8",)
FACTS = MESSAGE.facts("Musterstadt")
MakeMail = Callable[..., MailServer]


def secret() -> str:
    return "geheim"


def mail(server: MailServer, **said: object) -> Target:
    shape = {
        "secure": "none",
        "networks": OWN,
        "sender": "siem@city.example",
        "to": ("a@city.example", "b@city.example"),
    }
    return Target("mail", "127.0.0.1", server.port, secret=secret, **{**shape, **said})  # type: ignore[arg-type]


def web(server: WebServer, **said: object) -> Target:
    shape = {"secure": "none", "networks": OWN, "secret": secret, "path": "/hook?x=1"}
    return Target("webhook", "127.0.0.1", server.port, **{**shape, **said})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _ready() -> None:
    opened()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def test_a_mail_arrives_with_its_id_at_everybody(mail_server: MakeMail) -> None:
    server = mail_server()
    deliver(mail(server), MESSAGE, AT, FACTS)
    deliver(mail(server), MESSAGE, AT, FACTS)
    first, _, again, _ = server.mails
    assert (first["Subject"], first["Auto-Submitted"]) == ("Prüfung: 3 Alarme", "auto-generated")
    assert first["Message-ID"] == again["Message-ID"] == f"<{MESSAGE.id}@sentinel.invalid>"
    assert first.get_content().splitlines() == ["Zeile 1", ".", "Zeile ä"]
    assert server.recipients[0] == ["rcpt TO:<a@city.example>"]
    assert server.recipients[1] == ["rcpt TO:<b@city.example>"]


def test_one_address_that_is_refused_is_tried_again_alone(mail_server: MakeMail) -> None:
    server, message = mail_server(unknown="a@"), replace(MESSAGE, id="cd" * 16)
    for _ in range(3):
        with pytest.raises(UndeliveredError, match="nobody of that name"):
            deliver(mail(server), message, AT, FACTS)
    assert server.recipients == [["rcpt TO:<b@city.example>"]]
    server.unknown = ""
    deliver(mail(server), message, AT, FACTS)
    assert server.recipients[1:] == [["rcpt TO:<a@city.example>"]]


@pytest.mark.parametrize("secure", ["starttls", "tls"])
def test_a_login_is_shown_only_over_tls_and_a_wrong_one_is_told(
    secure: str, mail_server: MakeMail, tls: ssl.SSLContext
) -> None:
    server = mail_server(context=tls, implicit=secure == "tls", login=("siem", "geheim"))
    deliver(mail(server, secure=secure, user="siem"), MESSAGE, AT, FACTS)
    assert server.secured == [True, True]
    with pytest.raises(UndeliveredError, match="535"):
        deliver(mail(server, secure=secure, user="other"), MESSAGE, AT, FACTS)


def test_a_server_without_starttls_or_with_a_strange_certificate_gets_nothing(
    mail_server: MakeMail, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = mail_server()
    with pytest.raises(UndeliveredError, match="STARTTLS"):
        deliver(mail(plain, secure="starttls"), MESSAGE, AT, FACTS)
    monkeypatch.delenv("SSL_CERT_FILE")
    strange = mail_server(context=tls, implicit=True)
    with pytest.raises(UndeliveredError, match="CERTIFICATE_VERIFY_FAILED"):
        deliver(mail(strange, secure="tls"), MESSAGE, AT, FACTS)
    assert plain.mails == strange.mails == []


@pytest.mark.parametrize(("behave", "why"), [("busy", "451"), ("refuse", "550")])
def test_what_a_mail_server_says_against_it_is_told(behave: str, why: str, mail_server: MakeMail) -> None:
    with pytest.raises(UndeliveredError, match=why):
        deliver(mail(mail_server(behave=behave)), MESSAGE, AT, FACTS)


@pytest.mark.parametrize("behave", ["hang", "drip"])
def test_a_mail_server_that_hangs_or_drips_costs_only_its_time(behave: str, mail_server: MakeMail) -> None:
    begun = time.monotonic()
    with pytest.raises(UndeliveredError, match=r"no answer within 0\.5 s"):
        deliver(mail(mail_server(behave=behave), seconds=0.5), MESSAGE, AT, FACTS)
    assert time.monotonic() - begun < 8


def test_a_webhook_gets_json_with_its_id_and_its_token(web_server: WebServer) -> None:
    deliver(web(web_server), MESSAGE, AT, FACTS)
    ((method, path, headers, shape),) = web_server.requests
    assert (method, path, headers["Authorization"]) == ("POST", "/hook?x=1", "Bearer geheim")
    assert headers["Idempotency-Key"] == MESSAGE.id
    assert shape == {**FACTS, "title": MESSAGE.title, "message": MESSAGE.body}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_an_answer_that_is_no_success_is_told(status: int, web_server: WebServer) -> None:
    web_server.answers[:] = [status]
    with pytest.raises(UndeliveredError, match=str(status)):
        deliver(web(web_server), MESSAGE, AT, FACTS)


def test_a_redirect_is_not_followed(web_server: WebServer) -> None:
    web_server.answers[:] = [(302, {"Location": f"http://127.0.0.1:{web_server.port}/elsewhere"})]
    with pytest.raises(UndeliveredError, match="302"):
        deliver(web(web_server), MESSAGE, AT, FACTS)
    assert len(web_server.requests) == 1


def test_a_web_server_that_drips_costs_only_its_time(web_server: WebServer) -> None:
    web_server.drip = True
    with pytest.raises(UndeliveredError, match=r"no answer within 0\.5 s"):
        deliver(web(web_server, seconds=0.5), MESSAGE, AT, FACTS)


def test_a_server_that_is_away_is_told(web_server: WebServer, mail_server: MakeMail) -> None:
    server = mail_server()
    server.close()
    with pytest.raises(UndeliveredError, match="refused"):
        deliver(mail(server), MESSAGE, AT, FACTS)
    with pytest.raises(UndeliveredError, match="refused"):
        deliver(replace(web(web_server), port=server.port), MESSAGE, AT, FACTS)


def test_matrix_gets_one_transaction_for_one_message(web_server: WebServer) -> None:
    target = replace(web(web_server), kind="matrix", room="!r:home.example")
    deliver(target, MESSAGE, AT, FACTS)
    deliver(target, MESSAGE, AT, FACTS)
    sent = [(path, headers, shape) for method, path, headers, shape in web_server.requests if method == "PUT"]
    assert len({path for path, _, _ in sent}) == 1
    path, headers, shape = sent[0]
    assert path.endswith(f"/send/m.room.message/{MESSAGE.id}")
    assert headers["Authorization"] == "Bearer geheim"
    assert "Zeile ä" in shape["body"]
    assert MESSAGE.title in shape["body"]


def test_a_secret_that_cannot_be_read_is_an_error_of_the_configuration(web_server: WebServer) -> None:
    def gone() -> str:
        raise ConfigError("token: cannot be read")

    with pytest.raises(ConfigError):
        deliver(web(web_server, secret=gone), MESSAGE, AT, FACTS)


def test_a_name_that_leads_into_the_machine_or_its_networks_is_refused_where_it_connects(
    web_server: WebServer, mail_server: MakeMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: what the name resolved to when it was looked at does not count, only where the connection goes."""
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", web_server.port))],
    )
    server = mail_server()
    for target in (
        replace(web(web_server), host="hooks.example", networks=()),
        replace(web(web_server), host="hooks.example", networks=("10.0.0.0/8",)),
        replace(mail(server), host="mail.example", networks=()),
    ):
        with pytest.raises(UndeliveredError, match=r"'127\.0\.0\.1', which is no public address"):
            deliver(target, MESSAGE, AT, FACTS)
    assert (web_server.requests, server.tried) == ([], 0)


PRIVATE = """
    127.0.0.1 10.1.2.3 192.168.1.1 172.16.0.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 ::1 fe80::1 fe80::1%eth0
    fc00::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 :: ff02::1 localhost
    64:ff9b::7f00:1 2002:7f00:1::
"""


@pytest.mark.parametrize("host", PRIVATE.split())
def test_no_address_of_ones_own_is_public(host: str) -> None:
    assert not allowed(host, ())


@given(st.ip_addresses())
def test_an_address_is_allowed_if_it_is_public_or_listed(address: object) -> None:
    one = ip_address(str(address))
    assert allowed(str(one), [ip_network(one)])
    if one.is_private or one.is_loopback or one.is_link_local or one.is_multicast:
        assert not allowed(str(one), ())


def test_other_threads_and_what_comes_after_are_not_guarded(web_server: WebServer) -> None:
    with guarded((), 5), pytest.raises(PermissionError):
        socket.create_connection(("127.0.0.1", web_server.port))
    socket.create_connection(("127.0.0.1", web_server.port)).close()
