"""What is wrong with TLS: certificates that ran out or vouch for themselves, weak algorithms, known-bad programs.

- `tls.expired`, `tls.selfsigned`: judged at capture time; certificates are visible up to TLS 1.2 only.
- `tls.weak`, noted only: TLS 1.1 and older (RFC 8996), RC4 (RFC 7465), 3DES, EXPORT, NULL and anonymous suites, RSA
  keys below 2,048 bits (BSI TR-02102-2); Zeek's `policy/protocols/ssl/weak-keys.zeek` looks at the same.
- `tls.bad_fingerprint`: a JA3 or JA4 that the operator has listed.
- `exploit.heartbleed`: a heartbeat that asks for more than it sends (CVE-2014-0160, RFC 6520, section 4).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sentinel.sense.applications import Certificate, Heartbeat, Tls
from sentinel.sense.findings import CRITICAL, HIGH, INFO, LOW, MEDIUM, Detector, Finding, Prompt, Scene, about
from sentinel.sense.records import SECOND

_DAY = 86_400 * SECOND
_OLD = frozenset({"2.0", "3.0", "1.0", "1.1", "d1.0"})
_HEARTBEAT_OVERHEAD = 19
"""Type, length of payload and at least 16 bytes of padding (RFC 6520, section 4)."""

# IANA "TLS Cipher Suites": suites with NULL, EXPORT, RC4, RC2, IDEA, DES, 3DES, and those that are anonymous
WEAK_SUITES = frozenset({
    *range(0x001C), *range(0x001E, 0x002F), 0x0034, 0x003A, 0x003B, 0x0046, *range(0x0060, 0x0067), 0x006C,
    0x006D, *range(0x0089, 0x008C), 0x008E, 0x008F, 0x0092, 0x0093, 0x009B, 0x00A6, 0x00A7, 0x00B0, 0x00B1, 0x00B4,
    0x00B5, 0x00B8, 0x00B9, 0x00BF, 0x00C5, *range(0xC001, 0xC004), *range(0xC006, 0xC009), *range(0xC00B, 0xC00E),
    *range(0xC010, 0xC013), *range(0xC015, 0xC01D), 0xC033, 0xC034, *range(0xC039, 0xC03C),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """`key_bits` an RSA key has to have at least; `bad_ja3` and `bad_ja4` are fingerprints of programs not wanted."""

    key_bits: int = 2_048
    bad_ja3: tuple[str, ...] = ()
    bad_ja4: tuple[str, ...] = ()


class Handshakes(Prompt):
    """All of `tls.*`."""

    def __init__(self, settings: Settings, scene: Scene) -> None:
        self._key_bits = settings.key_bits
        self._bad = frozenset(one.lower() for one in settings.bad_ja3 + settings.bad_ja4)
        self._segments = scene.segments

    def take(self, record: Tls) -> Iterable[Finding]:
        """Take a handshake into account."""
        found = list(self._weak(record))
        for fingerprint in (record.ja3, record.ja4):
            if fingerprint and fingerprint in self._bad:
                told = f"{record.src} greets {_where(record)} as a program that is listed as unwanted ({fingerprint})"
                found.append(about("tls.bad_fingerprint", record, told, HIGH, "T1071.001", name=fingerprint))
        if record.certificates and record.established:
            # it is the server's, whoever is shown it
            found += [replace(one, src="") for one in self._certified(record, record.certificates[0])]
        return found

    def _certified(self, record: Tls, shown: Certificate) -> Iterator[Finding]:
        # a printer's own certificate is the usual case inside, and none outside
        severity = MEDIUM if self._segments.outside(record.dst) else LOW
        named = shown.subject or ", ".join(shown.names[:1]) or "no name"
        if shown.not_after and shown.not_after < record.time:
            days = (record.time - shown.not_after) // _DAY
            told = f"{_where(record)} shows {record.src} a certificate of {named} that ran out {days} days ago"
            yield about("tls.expired", record, told, severity, "T1573", name=named)
        if shown.not_before > record.time:
            told = f"{_where(record)} shows {record.src} a certificate of {named} that is not valid yet"
            yield about("tls.not_yet_valid", record, told, severity, "T1573", name=named)
        if shown.self_signed:
            told = f"{_where(record)} shows {record.src} a certificate of {named} that nobody vouches for but itself"
            yield about("tls.selfsigned", record, told, severity, "T1573", name=named)

    def _weak(self, record: Tls) -> Iterator[Finding]:
        if not record.established:
            return
        reasons = []
        if record.version in _OLD:
            reasons.append(f"version {record.version.lstrip('d')}")
        if record.cipher and _number(record.cipher) in WEAK_SUITES:
            reasons.append(f"cipher suite {record.cipher}")
        bits = record.certificates[0].key_bits if record.certificates else 0
        if 0 < bits < self._key_bits:
            reasons.append(f"an RSA key of {bits} bits")
        if reasons:
            told = f"{record.src} and {_where(record)} agreed on {', '.join(reasons)}, which is weak"
            yield about("tls.weak", record, told, INFO, "T1600")


class Heartbeats(Prompt):
    """`exploit.heartbleed`."""

    def take(self, record: Heartbeat) -> Iterable[Finding]:
        """Take a heartbeat into account."""
        if record.kind != "request":
            return ()
        if record.claimed + _HEARTBEAT_OVERHEAD <= record.length:
            return ()
        told = (
            f"{record.src} sent {record.dst} a heartbeat of {record.length} bytes and asks for {record.claimed} back "
        )
        told += "(CVE-2014-0160)"
        return [about("exploit.heartbleed", record, told, CRITICAL, "T1190")]


def _number(cipher: str) -> int:
    try:
        return int(cipher, 0)
    except ValueError:
        return -1


def _where(record: Tls) -> str:
    return f"{record.sni} ({record.dst})" if record.sni else f"{record.dst} port {record.dport}"


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:
    """Return the detectors of this family."""
    return [Handshakes(settings, scene), Heartbeats()]
