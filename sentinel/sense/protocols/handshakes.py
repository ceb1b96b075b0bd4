"""TLS, DTLS and QUIC handshakes: what both sides say before everything is encrypted.

Formats: RFC 5246, RFC 8446, RFC 6066, RFC 5280. JA4: https://github.com/FoxIO-LLC/ja4,
technical_details/JA4.md. How long an RSA key is shows what is made with it, for that is as long as its modulus (RFC
8017, 7.2 and 8.2): the server's signature, or the secret that a client encrypts. tshark 4.0 cuts the key itself off.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from sentinel.sense.applications import Certificate, Heartbeat, Tls
from sentinel.sense.columns import AT, Cells, number, numbers, values
from sentinel.sense.flows import Live
from sentinel.sense.protocols.common import LIST_MAX, Pending, cut, ends, ends_of
from sentinel.sense.records import SECOND, UDP, Record
from sentinel.sense.sift import Shown

__all__ = ["dtls", "heartbeat", "ja4", "tls"]

_VERSIONS = {0x0300: "3.0", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3", 0xFEFF: "d1.0", 0xFEFD: "d1.2"}
_JA4_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0xFEFF: "d1", 0xFEFD: "d2"}
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _SERVER_DONE, _CLIENT_KEY = "1", "2", "11", "14", "16"
_SIGNATURES, _DELEGATED, _SIGNATURES_CERT = 13, 34, 50
_KINDS, _VERSION, _SUPPORTED = (
    AT[f"tls.handshake.{name}"] for name in ("type", "version", "extensions.supported_version")
)
_CIPHERS, _NAME, _ALPN, _EXTENSIONS = (
    AT[f"tls.handshake.{name}"]
    for name in ("ciphersuite", "extensions_server_name", "extensions_alpn_str", "extension.type")
)
_HELLO = (
    _CIPHERS, _EXTENSIONS, _ALPN, _SUPPORTED, _VERSION, AT["tls.handshake.sig_hash_alg_len"],
    AT["tls.handshake.sig_hash_alg"],
)  # fmt: skip
_HELLOS_MAX = 4_096
_CONTENT, _SIGNED, _ENCRYPTED = AT["tls.record.content_type"], AT["tls.handshake.sig_len"], AT["tls.handshake.epms_len"]
_RSA_OCTETS = range(96, 2049, 32)
"""RSA's usual lengths; no signature of a curve has one (64 is Ed25519's; others are DER of two numbers: RFC 3279)."""


@dataclass(slots=True)
class _Handshake(Pending):
    """What is known of a flow's handshake; what is known first stays."""

    time: int
    frame: int
    told: bool = False
    server: bool = False
    texts: dict[str, str] = field(default_factory=dict)
    ciphers: tuple[int, ...] = ()
    resumed: bool = False
    certificate: Certificate | None = None
    signed: bool = False
    key_bits: int = 0

    def note(self, name: str, value: str) -> None:
        """Note a text, unless one is known or it is empty."""
        if value and name not in self.texts:
            self.texts[name] = cut(value)

    def record(self, flow: Live) -> Tls:
        """Return the record."""
        get = self.texts.get
        shown = replace(self.certificate, key_bits=self.key_bits) if self.certificate else None
        return Tls(
            **ends_of(flow, self.time, self.frame),
            sni=get("sni", ""),
            alpn=get("alpn", ""),
            version=get("version", ""),
            cipher=get("cipher", ""),
            ciphers=self.ciphers,
            ja3=get("ja3", ""),
            ja3s=get("ja3s", ""),
            ja4=get("ja4", ""),
            established=self.server,
            resumed=self.resumed,
            certificates=(shown,) if shown else (),
        )


def tls(cells: Cells, shown: Shown) -> Iterator[Record]:
    """Yield the handshake that a packet with TLS records completes."""
    kinds = values(cells[_KINDS])
    flow = shown.side.flow
    if not kinds:
        note = flow.notes.get("tls")
        # a session taken up again has no certificate: its keys change at once
        if isinstance(note, _Handshake) and not note.told and note.server and "20" in values(cells[_CONTENT]):
            note.told, note.resumed = True, note.certificate is None
            yield note.record(flow)
        return
    note = flow.notes.get("tls")
    if not isinstance(note, _Handshake):
        note = flow.notes["tls"] = _Handshake(shown.time, shown.frame)
    if _CLIENT_HELLO in kinds:
        _client(cells, note, datagrams=flow.proto == UDP)
    elif _SERVER_HELLO in kinds:
        chosen = values(cells[_SUPPORTED]) or [cells[_VERSION]]
        version = number(chosen[0])
        note.note("version", _VERSIONS.get(version, f"0x{version:04x}"))
        note.note("cipher", cells[_CIPHERS].partition(",")[0])
        note.note("ja3s", cells[AT["tls.handshake.ja3s"]])
        note.server = True
    if _CERTIFICATE in kinds and note.certificate is None:
        note.certificate = _certificate(cells)
    octets = number(cells[_SIGNED] or cells[_ENCRYPTED])
    note.signed = note.signed or octets > 0
    if not note.key_bits and octets in _RSA_OCTETS:
        note.key_bits = 8 * octets
    # a key that signs nothing is seen at work when the client uses it
    done = _CLIENT_KEY in kinds or (_SERVER_DONE in kinds and (note.signed or note.certificate is None))
    if not note.told and note.server and (done or note.texts.get("version") == "1.3"):
        note.told = True
        yield note.record(flow)


def dtls(cells: Cells, shown: Shown) -> Iterator[Record]:
    """Note what a packet of DTLS says; its handshake is told when its flow ends."""
    kinds = values(cells[AT["dtls.handshake.type"]])
    if not kinds:
        return
    flow = shown.side.flow
    note = flow.notes.get("tls")
    if not isinstance(note, _Handshake):
        note = flow.notes["tls"] = _Handshake(shown.time, shown.frame)
    ciphers = numbers(cells[AT["dtls.handshake.ciphersuite"]])
    if _CLIENT_HELLO in kinds:
        note.note("sni", cells[AT["dtls.handshake.extensions_server_name"]])
        note.ciphers = note.ciphers or tuple(ciphers)
    elif _SERVER_HELLO in kinds:
        version = number(cells[AT["dtls.handshake.version"]])
        note.note("version", _VERSIONS.get(version, f"0x{version:04x}"))
        note.note("cipher", f"0x{ciphers[0]:04x}" if ciphers else "")
        note.server = True
    yield from ()


def _client(cells: Cells, note: _Handshake, *, datagrams: bool) -> None:
    note.note("sni", cells[_NAME])
    note.note("alpn", cells[_ALPN])
    note.note("ja3", cells[AT["tls.handshake.ja3"]])
    note.ciphers = note.ciphers or _suites(cells[_CIPHERS])
    if "ja4" not in note.texts:
        note.note("ja4", _fingerprint("q" if datagrams else "t", *(cells[at] for at in _HELLO)))


@lru_cache(_HELLOS_MAX)
def _suites(ciphers: str) -> tuple[int, ...]:
    return tuple(numbers(ciphers))


@lru_cache(_HELLOS_MAX)
def _fingerprint(transport: str, ciphers: str, extensions: str, alpn: str, *more: str) -> str:
    # from the cells of a hello: a program says the same again and again
    supported, version, lengths, algorithms = more
    kinds = numbers(extensions)
    highest = max((one for one in numbers(supported) if not _grease(one)), default=number(version))
    signatures = _signatures(kinds, numbers(lengths), numbers(algorithms))
    return ja4(transport, highest, _suites(ciphers), kinds, alpn, signatures)


def ja4(
    transport: str,
    version: int,
    ciphers: tuple[int, ...],
    extensions: list[int],
    alpn: str,
    signatures: list[int],
) -> str:
    """Return the JA4 fingerprint of a client hello; `transport` is t, q or d, `version` the highest offered."""
    suites = sorted(one for one in ciphers if not _grease(one))
    kinds = [one for one in extensions if not _grease(one)]
    ends = "00"
    if alpn:
        ends = alpn[0] + alpn[-1]
        if not (ends.isascii() and ends.isalnum()):
            octets = alpn.encode()
            ends = f"{octets[0]:02x}"[0] + f"{octets[-1]:02x}"[1]
    name = "d" if 0 in kinds else "i"
    head = f"{transport}{_JA4_VERSIONS.get(version, '00')}{name}{min(99, len(suites)):02}{min(99, len(kinds)):02}{ends}"
    sorted_kinds = ",".join(f"{one:04x}" for one in sorted(kinds) if one not in {0, 16})
    signed = ",".join(f"{one:04x}" for one in signatures if not _grease(one))
    third = f"{sorted_kinds}_{signed}" if signed else sorted_kinds
    return f"{head}_{_hashed(','.join(f'{one:04x}' for one in suites))}_{_hashed(third)}"


def _hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else "000000000000"


def _grease(value: int) -> bool:
    # RFC 8701
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def _signatures(extensions: list[int], lengths: list[int], algorithms: list[int]) -> list[int]:
    # tshark gives the algorithms of all extensions that list some in one; the lengths tell them apart
    at = 0
    listing = [one for one in extensions if one in {_SIGNATURES, _DELEGATED, _SIGNATURES_CERT}]
    for kind, length in zip(listing, lengths, strict=False):
        if kind == _SIGNATURES:
            return algorithms[at : at + length // 2]
        at += length // 2
    return []


def heartbeat(shown: Shown) -> Iterator[Heartbeat]:
    """Yield the heartbeat that a payload begins with: a record of type 24, then its own type and the claimed length."""
    head = shown.payload[:8]
    kind = head[5] if len(head) == 8 else 0
    if kind in {1, 2}:
        yield Heartbeat(
            **ends(shown),
            kind="request" if kind == 1 else "response",
            length=int.from_bytes(head[3:5], "big"),
            claimed=int.from_bytes(head[6:8], "big"),
        )


def _certificate(cells: Cells) -> Certificate:
    # tshark gives the parts of all names of all certificates in one list each: issuer, then subject, of the first
    issuer, subject = number(cells[AT["x509if.rdnSequence"]]), number(cells[AT["x509af.rdnSequence"]])
    kinds = values(cells[AT["x509sat.DirectoryString"]])
    texts = {
        "1": iter(_parts(cells[AT["x509sat.printableString"]], kinds.count("1"))),
        "4": iter(_parts(cells[AT["x509sat.uTF8String"]], kinds.count("4"))),
    }
    remaining = iter(kinds)
    parts: list[tuple[str, str]] = []
    for oid in values(cells[AT["x509if.oid"]])[: issuer + subject]:
        text = next(texts.get(next(remaining, ""), iter(())), "") if oid in _DIRECTORY_STRINGS else ""
        parts.append((oid, text))
    one, other = parts[:issuer], parts[issuer:]
    dates = values(cells[AT["x509af.utcTime"]])
    return Certificate(
        issuer=_name(one),
        subject=_name(other),
        not_before=_date(dates[0]) if dates else 0,
        not_after=_date(dates[1]) if len(dates) > 1 else 0,
        serial=cut(cells[AT["x509af.serialNumber"]]),
        signature=cells[AT["x509af.algorithm.id"]],
        self_signed=bool(one) and one == other and len(other) == subject,
        names=tuple(cut(name) for name in values(cells[AT["x509ce.dNSName"]])[:LIST_MAX]),
    )


_COMMON_NAME, _ORGANIZATION = "2.5.4.3", "2.5.4.10"
# attributes of type DirectoryString (RFC 5280, appendix A.1): CN, SN, L, ST, street, O, OU, title, name parts
_DIRECTORY_STRINGS = frozenset({f"2.5.4.{one}" for one in (3, 4, 7, 8, 9, 10, 11, 12, 41, 42, 43, 44, 65)})


def _name(parts: list[tuple[str, str]]) -> str:
    found = dict(parts)
    return cut(found.get(_COMMON_NAME) or found.get(_ORGANIZATION) or "")


def _parts(cell: str, count: int) -> list[str]:
    # a comma with a blank behind it belongs to a name (`Example, Inc.`); if the count is wrong still, say nothing
    parts: list[str] = []
    for part in cell.split(","):
        if parts and part.startswith(" "):
            parts[-1] += "," + part
        else:
            parts.append(part)
    return parts if len(parts) == count else []


def _date(text: str) -> int:
    # `2026-11-23 08:15:00 (UTC)`
    bare = text.removesuffix(" (UTC)")
    try:
        return int(datetime.fromisoformat(bare).replace(tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        return 0
