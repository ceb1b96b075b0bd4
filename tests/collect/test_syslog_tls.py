"""Syslog over TLS: who may come in, what is refused and why, renewal under load, and a thousand that never finish."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import orjson
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from sentinel.collect.listening import Limits
from sentinel.collect.syslog_tcp import SyslogTcp
from sentinel.collect.tls import Tls, TlsFiles, certificate_check
from sentinel.core.clock import SystemClock
from sentinel.core.errors import ConfigError
from sentinel.spool.disk import DiskSpool

NOW = datetime.now(UTC)
LINE = b"<13>Nov 23 10:00:00 fw1 app: line %d\n"


class City:
    """Authorities and certificates on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, self.other = trustme.CA(), trustme.CA()
        self.renew()
        self.ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    def renew(self) -> None:
        server = self.ca.issue_cert("127.0.0.1", "localhost")
        server.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        cert = self.folder / "cert.pem"
        for at, pem in enumerate(server.cert_chain_pems):
            pem.write_to_path(str(cert), append=at > 0)

    def files(self, *, mutual: bool = True, allow: tuple[str, ...] = (), crl: Path | None = None) -> TlsFiles:
        ca = self.folder / "ca.pem" if mutual else None
        return TlsFiles(self.folder / "cert.pem", self.folder / "key.pem", ca, crl, allow)

    def client(self, cert: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        if cert is not None:
            cert.configure_cert(context)
        return context

    def revoked(self, cert: trustme.LeafCert) -> Path:
        """Return a revocation list with `cert`."""
        key = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        leaf = x509.load_pem_x509_certificate(cert.cert_chain_pems[0].bytes())
        row = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(NOW).build()
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(leaf.issuer)
            .last_update(NOW - timedelta(hours=1))
            .next_update(NOW + timedelta(days=1))
            .add_revoked_certificate(row)
            .sign(key, hashes.SHA256())
        )
        path = self.folder / "crl.pem"
        path.write_bytes(crl.public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture
def city(tmp_path: Path) -> City:
    folder = tmp_path / "tls"
    folder.mkdir()
    return City(folder)


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = monotonic() + seconds
    while not holds():
        assert monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.005)


def with_tls(
    tmp_path: Path, files: TlsFiles, scenario: Callable[..., object], limits: Limits | None = None
) -> DiskSpool:
    """Run `scenario(entrance, port)` against a TLS entrance that writes into a real spool; return the spool, closed."""
    spool = DiskSpool(tmp_path / "spool", ballast_bytes=0)

    async def run() -> None:
        entrance = SyslogTcp("tls", SystemClock(), port=0, limits=limits, tls=Tls(files))
        task = asyncio.create_task(entrance.run(spool))
        await entrance.ready.wait()
        try:
            await scenario(entrance)  # type: ignore[misc]  # a coroutine function
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return spool


def sent(port: int, context: ssl.SSLContext, data: bytes) -> None:
    """Send `data` over one connection and end it; raises OSError where the other side refuses."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(data)
        secure.settimeout(10)
        secure.unwrap()


def tried(port: int, context: ssl.SSLContext) -> str:
    try:
        sent(port, context, LINE % 0)
    except OSError as error:
        return type(error).__name__
    return ""


def test_a_certificate_on_the_list_becomes_the_identity_of_its_records(tmp_path: Path, city: City) -> None:
    cert = city.ca.issue_cert("fw1.example.org")

    async def scenario(entrance: SyslogTcp) -> None:
        await asyncio.to_thread(sent, entrance.port, city.client(cert), b"".join(LINE % n for n in range(1000)))
        await until(lambda: entrance.counters.written == 1000)

    with with_tls(tmp_path, city.files(allow=("dns:FW1.example.org",)), scenario) as spool:
        records = spool.read(0, 2000)
    assert {record.raw.origin.identity for record in records} == {"dns:fw1.example.org"}
    assert {record.raw.origin.via for record in records} == {"syslog-tls"}
    assert [record.raw.body for record in records] == [(LINE % n).rstrip() for n in range(1000)]


def test_a_sender_that_only_sends_and_goes_loses_nothing(tmp_path: Path, city: City) -> None:
    lines = [b"<13>1 2026-11-23T08:15:00Z pc app - - - %06d %s" % (n, b"x" * 250) for n in range(20_000)]
    context = city.client()

    def send(port: int) -> None:
        # what the server said last is never read: closing then resets the connection, unless it said nothing
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(b"\n".join(lines) + b"\n")

    async def scenario(entrance: SyslogTcp) -> None:
        await asyncio.to_thread(send, entrance.port)
        await until(lambda: entrance.counters.written == len(lines))

    with_tls(tmp_path, city.files(mutual=False), scenario).close()


def test_a_fingerprint_may_be_allowed_instead_of_a_name(tmp_path: Path, city: City) -> None:
    cert = city.ca.issue_cert("fw2.example.org")
    der = x509.load_pem_x509_certificate(cert.cert_chain_pems[0].bytes())
    print_ = der.fingerprint(hashes.SHA256()).hex(":").upper()

    async def scenario(entrance: SyslogTcp) -> None:
        await asyncio.to_thread(sent, entrance.port, city.client(cert), LINE % 1)
        await until(lambda: entrance.counters.written == 1)

    with with_tls(tmp_path, city.files(allow=(f"sha256:{print_}",)), scenario) as spool:
        assert spool.read(0, 1)[0].raw.origin.identity == "sha256:" + print_.replace(":", "").lower()


def test_whoever_is_not_wanted_is_refused_with_the_reason(tmp_path: Path, city: City) -> None:
    past = NOW - timedelta(days=30)
    cases = {
        "certificate_not_allowed": city.client(city.ca.issue_cert("other.example.org")),
        "certificate_verify_failed:certificate_has_expired": city.client(
            city.ca.issue_cert("fw1.example.org", not_before=past, not_after=NOW - timedelta(days=1))
        ),
        "certificate_verify_failed:unable_to_get_local_issuer_certificate": city.client(
            city.other.issue_cert("fw1.example.org")
        ),
        "peer_did_not_return_a_certificate": city.client(),
    }

    async def scenario(entrance: SyslogTcp) -> None:
        for reason, context in cases.items():
            await asyncio.to_thread(tried, entrance.port, context)
            await until(lambda reason=reason: entrance.counters.refused[reason] == 1)  # type: ignore[misc]
        with socket.create_connection(("127.0.0.1", entrance.port)) as plain:
            plain.sendall(LINE % 0)
            await until(lambda: entrance.counters.refused["no_tls"] == 1)
        assert entrance.counters.received == 0
        await asyncio.to_thread(sent, entrance.port, city.client(city.ca.issue_cert("fw1.example.org")), LINE % 7)
        await until(lambda: entrance.counters.written == 1)

    with with_tls(tmp_path, city.files(allow=("dns:fw1.example.org",)), scenario) as spool:
        told = [record.raw for record in spool.read(0, 100) if record.raw.origin.via == "sentinel"]
    said = [orjson.loads(raw.body) for raw in told]
    assert {one["reason"]: one["count"] for one in said} == dict.fromkeys([*cases, "no_tls"], 1)
    assert {one["peer"] for one in said} == {"127.0.0.1"}


def test_a_revoked_certificate_is_refused(tmp_path: Path, city: City) -> None:
    bad, good = city.ca.issue_cert("fw1.example.org"), city.ca.issue_cert("fw2.example.org")

    async def scenario(entrance: SyslogTcp) -> None:
        await asyncio.to_thread(tried, entrance.port, city.client(bad))
        await until(lambda: entrance.counters.refused["certificate_verify_failed:certificate_revoked"] == 1)
        await asyncio.to_thread(sent, entrance.port, city.client(good), LINE % 1)
        await until(lambda: entrance.counters.written == 1)

    with with_tls(tmp_path, city.files(crl=city.revoked(bad)), scenario):
        pass


def test_versions_below_1_2_are_refused(tmp_path: Path, city: City) -> None:
    async def scenario(entrance: SyslogTcp) -> None:
        for version, fits in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            done = await asyncio.to_thread(
                subprocess.run,
                ["openssl", "s_client", "-connect", f"127.0.0.1:{entrance.port}", version, "-cipher",
                 "ALL:@SECLEVEL=0", "-CAfile", str(city.folder / "ca.pem")],
                input=LINE % 1, capture_output=True, timeout=20, check=False,
            )  # fmt: skip
            assert (done.returncode == 0) is fits, done.stderr
        await until(lambda: entrance.counters.refused["unsupported_protocol"] == 1)
        await until(lambda: entrance.counters.written == 2)

    with with_tls(tmp_path, city.files(mutual=False), scenario):
        pass


def test_a_renewed_certificate_is_used_and_no_connection_is_dropped(tmp_path: Path, city: City) -> None:
    async def scenario(entrance: SyslogTcp) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", entrance.port, ssl=city.client(), server_hostname="localhost"
        )
        before = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.write(LINE % 1)
        await until(lambda: entrance.counters.written == 1)
        (city.folder / "key.pem").write_text("half written")
        await asyncio.sleep(1.1)
        await asyncio.to_thread(sent, entrance.port, city.client(), LINE % 2)  # the old pair still serves
        city.renew()

        def renewed() -> str:
            with (
                socket.create_connection(("127.0.0.1", entrance.port)) as plain,
                city.client().wrap_socket(plain, server_hostname="localhost") as secure,
            ):
                return str((secure.getpeercert() or {})["serialNumber"])

        end = monotonic() + 10
        while await asyncio.to_thread(renewed) == before:
            assert monotonic() < end
        writer.write(LINE % 3)
        await until(lambda: entrance.counters.written == 3)
        writer.close()
        del reader

    with with_tls(tmp_path, city.files(mutual=False), scenario):
        pass


def test_a_thousand_that_never_finish_their_handshake_disturb_nobody(tmp_path: Path, city: City) -> None:
    hello = _hello()
    limits = Limits(per_address=2000, handshake_seconds=2.0)

    async def scenario(entrance: SyslogTcp) -> None:
        before = _rss()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", entrance.port, ssl=city.client(), server_hostname="localhost"
        )
        idle = await asyncio.to_thread(lambda: [_from("127.0.0.2", entrance.port) for _ in range(1000)])
        for at, one in enumerate(idle):
            if at % 3:
                one.sendall(hello[: len(hello) // 2] if at % 3 == 1 else hello)
        laps = []
        for n in range(100):
            begun = monotonic()
            writer.write(LINE % n)
            await until(lambda n=n: entrance.counters.written == n + 1)  # type: ignore[misc]
            laps.append(monotonic() - begun)
        assert sorted(laps)[98] < 0.1
        assert _rss() - before < 50 << 20
        await asyncio.to_thread(sent, entrance.port, city.client(), LINE % 100)  # and a new sender is let in meanwhile
        await until(lambda: entrance.counters.refused["handshake_timeout"] >= 600)
        await until(lambda: entrance.counters.connections == 1)
        for one in idle:
            one.close()
        writer.close()
        del reader

    with with_tls(tmp_path, city.files(mutual=False), scenario, limits):
        pass


def _from(address: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.bind((address, 0))
    sock.connect(("127.0.0.1", port))
    return sock


def _hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def _rss() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError


def test_certificates_that_cannot_be_used_say_what_is_wrong(city: City) -> None:
    assert certificate_check(city.files(), NOW.timestamp()).state == "ok"
    assert certificate_check(city.files(), (NOW + timedelta(days=1_000_000)).timestamp()).state == "fail"
    (city.folder / "key.pem").write_bytes(trustme.CA().issue_cert("x.example.org").private_key_pem.bytes())
    with pytest.raises(ConfigError, match="do not belong together"):
        Tls(city.files())
    (city.folder / "cert.pem").unlink()
    assert certificate_check(city.files(), NOW.timestamp()).state == "fail"
