"""How long the key of a TLS server is, by what is made with it: real handshakes, through memory."""

import ssl
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from sentinel.sense.applications import Tls
from sentinel.sense.filepass import FilePass
from sentinel.sense.settings import SenseSettings
from sentinel.testing.packets import SECOND, Frame, Story

START = 1_780_000_000 * SECOND
CURVE = "ec -pkeyopt ec_paramgen_curve:P-256"


def served(folder: Path, key: str, ciphers: str) -> ssl.SSLContext:
    """Return a server's side with a certificate that its key, made as openssl is told, has signed itself."""
    path = folder / "server.pem"
    words = f"openssl req -x509 -nodes -newkey {key} -subj /CN=drucker.example -days 90 -keyout {path} -out {path}.crt"
    subprocess.run(words.split(), capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.load_cert_chain(f"{path}.crt", path)
    return context


def handshake(context: ssl.SSLContext) -> list[tuple[bytes, bytes]]:
    """Return what client and server say to each other, turn by turn."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(to_client, to_server), context.wrap_bio(to_server, to_client, server_side=True)

    def said(end: ssl.SSLObject, words: ssl.MemoryBIO) -> bytes:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
        spoken = words.read()
        words.write(spoken)
        return spoken

    return [(said(asking, to_server), said(answering, to_client)) for _ in range(3)]


@pytest.mark.parametrize(
    ("key", "ciphers", "bits"),
    [
        ("rsa:1024", "ECDHE-RSA-AES128-GCM-SHA256", 1024),
        ("rsa:2048", "ECDHE-RSA-AES128-GCM-SHA256", 2048),
        ("rsa:1024", "AES128-SHA", 1024),
        (CURVE, "ECDHE-ECDSA-AES128-GCM-SHA256", 0),
    ],
)
def test_the_length_of_an_rsa_key_is_told(
    tmp_path: Path, story: Story, capture: Callable[[Iterable[Frame]], Path], key: str, ciphers: str, bits: int
) -> None:
    story.talk(START, "10.10.1.50", "192.0.2.9", 443, handshake(served(tmp_path, key, ciphers)))
    (found,) = (one for one in FilePass(capture(story.frames), SenseSettings()) if isinstance(one, Tls))
    (shown,) = found.certificates
    assert (shown.subject, shown.key_bits, found.established) == ("drucker.example", bits, True)
