"""A model city that writes logs: seeded, so that the same seed gives the same lines; for benches and the demo.

All names are invented; addresses are RFC 1918 inside and documentation addresses (RFC 5737) outside.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

SEGMENTS = {
    "rathaus": "10.10.1.",
    "kasse-steuer": "10.10.2.",
    "liegenschaften": "10.10.3.",
    "personal": "10.10.5.",
    "poststelle": "10.10.6.",
    "dmz-portal": "10.10.7.",
    "schule-01": "10.20.1.",
    "schule-42": "10.20.42.",
}
OUTSIDE = ("192.0.2.", "198.51.100.", "203.0.113.")
NAMES = (
    "amueller", "bschäfer", "cyildiz", "dkowalski", "ewagner", "fjäger", "gneumann", "hschröder", "iweiß",
    "jbraun", "kzimmermann", "lhofmann", "mkrüger", "nlange", "okrause", "pschmitz",
)  # fmt: skip
DOMAINS = ("stadt.example", "schule-42.example", "example.org", "example.com", "lieferant.example")


@dataclass(frozen=True, slots=True)
class City:
    """Writes one line after another; `share` of each kind as in a real mix (firewalls first, then endpoints, mail)."""

    random: Random
    start: datetime
    events_per_second: float = 2000.0

    @classmethod
    def seeded(cls, seed: int, start: datetime, events_per_second: float = 2000.0) -> "City":
        """Return the city that this seed makes."""
        return cls(Random(seed), start, events_per_second)  # noqa: S311  repeatable on purpose; guards nothing

    def lines(self) -> Iterator[bytes]:
        """Yield syslog lines without end: RFC 3164, RFC 5424, with the device's own format inside."""
        kinds: tuple[Callable[[datetime], str], ...] = (
            self.fortigate, self.filterlog, self.sshd, self.postfix, self.windows,
        )  # fmt: skip
        weights = (40, 25, 10, 12, 13)
        moment = self.start
        step = timedelta(seconds=1 / self.events_per_second)
        while True:
            (kind,) = self.random.choices(kinds, weights)
            yield kind(moment).encode()
            moment += step

    def inside(self) -> str:
        """Return an address in one of the city's segments."""
        return self.random.choice(tuple(SEGMENTS.values())) + str(self.random.randrange(2, 250))

    def outside(self) -> str:
        """Return an address on the Internet."""
        return self.random.choice(OUTSIDE) + str(self.random.randrange(1, 255))

    def name(self) -> str:
        """Return a member of staff."""
        return self.random.choice(NAMES)

    def fortigate(self, moment: datetime) -> str:
        """Return a FortiGate traffic line."""
        r = self.random
        action = r.choices(("close", "accept", "deny", "timeout"), (60, 20, 15, 5))[0]
        port, service, proto = r.choice(
            ((443, "HTTPS", 6), (80, "HTTP", 6), (53, "DNS", 17), (123, "NTP", 17), (25, "SMTP", 6))
        )
        stamp = f"{int(moment.timestamp() * 1_000_000_000)}"
        return (
            f'<189>date={moment:%Y-%m-%d} time={moment:%H:%M:%S} devname="fw-rathaus" devid="FGT60F0000000001" '
            f'eventtime={stamp} tz="+0000" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" '
            f'srcip={self.inside()} srcport={r.randrange(1024, 65536)} srcintf="lan" srcintfrole="lan" '
            f'dstip={self.outside()} dstport={port} dstintf="wan1" dstintfrole="wan" sessionid={r.randrange(1 << 31)} '
            f'proto={proto} action="{action}" policyid={r.randrange(1, 90)} policytype="policy" service="{service}" '
            f'trandisp="snat" duration={r.randrange(300)} sentbyte={r.randrange(100_000)} rcvdbyte={r.randrange(1_000_000)} '
            f"sentpkt={r.randrange(1, 900)} rcvdpkt={r.randrange(1, 900)}"
        )

    def filterlog(self, moment: datetime) -> str:
        """Return a pfSense filterlog line in RFC 5424."""
        r = self.random
        action = r.choices(("pass", "block"), (70, 30))[0]
        return (
            f"<134>1 {moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}+00:00 pf-schule-42 filterlog {r.randrange(900, 999)} - - "
            f"{r.randrange(1, 200)},,,{1_000_000_000 + r.randrange(9999)},igb1,match,{action},in,4,0x0,,64,{r.randrange(65536)},0,DF,"
            f"6,tcp,60,{self.inside()},{self.outside()},{r.randrange(1024, 65536)},443,0,S,{r.randrange(1 << 32)},,64240,,"
            "mss;sackOK;TS;nop;wscale"
        )

    def sshd(self, moment: datetime) -> str:
        """Return an sshd line."""
        r = self.random
        what = r.choice((
            f"Accepted publickey for {self.name()} from {self.inside()} port {r.randrange(1024, 65536)} ssh2: ED25519 SHA256:AAAA",
            f"Connection closed by {self.inside()} port {r.randrange(1024, 65536)} [preauth]",
            f"Failed password for {self.name()} from {self.inside()} port {r.randrange(1024, 65536)} ssh2",
            f"pam_unix(sshd:session): session opened for user {self.name()}(uid=1000) by (uid=0)",
        ))  # fmt: skip
        return f"<86>{moment:%b} {moment.day:2d} {moment:%H:%M:%S} srv-{r.randrange(1, 40):02d} sshd[{r.randrange(500, 60000)}]: {what}"

    def postfix(self, moment: datetime) -> str:
        """Return a Postfix line."""
        r = self.random
        queue = f"{r.randrange(1 << 40):010X}"
        mail = f"{self.name().encode('ascii', 'ignore').decode()}@{r.choice(DOMAINS)}"
        program, what = r.choice((
            ("smtpd", f"connect from mail.example.org[{self.outside()}]"),
            ("qmgr", f"{queue}: from=<{mail}>, size={r.randrange(900, 90_000)}, nrcpt=1 (queue active)"),
            ("cleanup", f"{queue}: message-id=<{r.randrange(1 << 60):x}@example.org>"),
            ("smtp", f"{queue}: to=<{mail}>, relay=mx.example.com[{self.outside()}]:25, delay=0.42, delays=0.1/0.01/0.2/0.11, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4ABCDE)"),
            ("qmgr", f"{queue}: removed"),
        ))  # fmt: skip
        return f"<22>{moment:%b} {moment.day:2d} {moment:%H:%M:%S} mx1 postfix/{program}[{r.randrange(500, 60000)}]: {what}"

    def windows(self, moment: datetime) -> str:
        """Return a Windows Security or Sysmon event as NXLog's JSON in RFC 5424."""
        r = self.random
        host = f"PC-{r.randrange(1, 900):04d}.stadt.example"
        common = {
            "EventTime": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}+00:00",
            "Hostname": host,
            "RecordNumber": r.randrange(1 << 31),
            "SeverityValue": 2,
        }
        if r.random() < 0.5:
            event = {
                "EventID": r.choice((4624, 4625, 4634, 4672)),
                "Channel": "Security",
                "SourceName": "Microsoft-Windows-Security-Auditing",
                "SubjectUserName": "-",
                "TargetUserName": self.name(),
                "TargetDomainName": "STADT",
                "LogonType": "3",
                "IpAddress": self.inside(),
                "IpPort": str(r.randrange(1024, 65536)),
            }
        else:
            event = {
                "EventID": 1,
                "Channel": "Microsoft-Windows-Sysmon/Operational",
                "SourceName": "Microsoft-Windows-Sysmon",
                "Image": r.choice(("C:\\Windows\\System32\\svchost.exe", "C:\\Programme\\Fachverfahren\\kasse.exe")),
                "CommandLine": "svchost.exe -k netsvcs",
                "ParentImage": "C:\\Windows\\System32\\services.exe",
                "ProcessId": r.randrange(4, 60_000),
                "ParentProcessId": r.randrange(4, 60_000),
                "User": f"STADT\\{self.name()}",
            }
        body = json.dumps(common | event, ensure_ascii=False)
        return f"<14>1 {moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}+00:00 {host} nxlog 4711 - - {body}"
