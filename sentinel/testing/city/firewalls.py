"""What FortiGate and OPNsense write of connections, logins and VPN tunnels.

Formats: FortiOS 7.4 Log Message Reference; https://docs.netgate.com/pfsense/en/latest/monitoring/logs/raw-filter-format.html
"""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from sentinel.testing.city.lines import Line, ietf
from sentinel.testing.city.town import FIREWALL, School

BERLIN = ZoneInfo("Europe/Berlin")
_SERVICES = {
    25: "SMTP", 53: "DNS", 80: "HTTP", 88: "KERBEROS", 123: "NTP", 135: "DCE-RPC", 389: "LDAP", 443: "HTTPS",
    445: "SMB", 22: "SSH", 3389: "RDP", 1433: "MS-SQL", 5432: "PostgreSQL", 9100: "tcp/9100", 23: "TELNET",
}  # fmt: skip
_UDP = frozenset({53, 123, 161, 500})
_ROLES = {"lan": "lan", "dmz": "dmz", "wan1": "wan", "server": "lan", "mgmt": "lan", "ssl.root": "undefined"}


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection: bytes in both directions, seconds it lasted, and the names of the interfaces it took."""

    source: str
    target: str
    port: int
    sent: int = 1200
    received: int = 9000
    seconds: int = 12
    inner: str = "lan"
    outer: str = "wan1"
    country: str = "Germany"


def _head(at: datetime, kind: str) -> str:
    local = at.astimezone(BERLIN)
    return (
        f'date={local:%Y-%m-%d} time={local:%H:%M:%S} devname="FW-RATHAUS-01" devid="FGT60F0000000001" '
        f'eventtime={int(at.timestamp())}{at.microsecond:06d}000 tz="{local:%z}" {kind} vd="root"'
    )


def _sent(at: datetime, priority: int, text: str) -> Line:
    return Line(at, FIREWALL.address, f"<{priority}>{text}".encode(), "syslog-udp")


def traffic(at: datetime, flow: Flow, rng: Random, action: str = "close") -> Line:
    """Return FortiGate's line on a connection; `action` is `close`, `accept`, `timeout` or `deny`."""
    denied = action == "deny"
    service = _SERVICES.get(flow.port, f"tcp/{flow.port}")
    sent, received = (0, 0) if denied else (flow.sent, flow.received)
    head = _head(at, 'logid="0000000013" type="traffic" subtype="forward" level="notice"')
    return _sent(
        at,
        189,
        f'{head} srcip={flow.source} srcport={rng.randrange(49152, 65536)} srcintf="{flow.inner}" '
        f'srcintfrole="{_ROLES[flow.inner]}" dstip={flow.target} dstport={flow.port} dstintf="{flow.outer}" '
        f'dstintfrole="{_ROLES[flow.outer]}" srccountry="Reserved" dstcountry="{flow.country}" '
        f"sessionid={rng.randrange(1 << 31)} proto={17 if flow.port in _UDP else 6} "
        f'action="{action}" policyid={0 if denied else rng.randrange(1, 60)} policytype="policy" service="{service}" '
        f'trandisp="{"snat" if flow.outer == "wan1" else "noop"}" duration={0 if denied else flow.seconds} '
        f"sentbyte={sent} rcvdbyte={received} sentpkt={sent // 900 + (not denied)} rcvdpkt={received // 1300}",
    )


def vpn(at: datetime, user: str, remote: str, *, success: bool, tunnel: str = "10.212.134.20") -> Line:
    """Return FortiGate's line on a login over SSL VPN."""
    if success:
        head = _head(at, 'logid="0101039947" type="event" subtype="vpn" level="information"')
        text = (
            f'{head} logdesc="SSL VPN tunnel up" action="tunnel-up" tunneltype="ssl-tunnel" '
            f'tunnelid={int(at.timestamp())} remip={remote} tunnelip={tunnel} user="{user}" group="VPN-Nutzer" '
            'dst_host="N/A" reason="tunnel established" msg="SSL tunnel established"'
        )
        return _sent(at, 190, text)
    head = _head(at, 'logid="0101039426" type="event" subtype="vpn" level="alert"')
    text = (
        f'{head} logdesc="SSL VPN login fail" action="ssl-login-fail" tunneltype="ssl-web" tunnelid=0 '
        f'remip={remote} user="{user}" group="N/A" dst_host="N/A" reason="sslvpn_login_permission_denied" '
        'msg="SSL user failed to logged in"'
    )
    return _sent(at, 185, text)


def vpn_down(at: datetime, user: str, remote: str, seconds: int, sent: int, received: int) -> Line:
    """Return FortiGate's line on the end of an SSL VPN tunnel."""
    head = _head(at, 'logid="0101039948" type="event" subtype="vpn" level="information"')
    text = (
        f'{head} logdesc="SSL VPN tunnel down" action="tunnel-down" tunneltype="ssl-tunnel" '
        f'tunnelid={int(at.timestamp())} remip={remote} tunnelip=10.212.134.20 user="{user}" group="VPN-Nutzer" '
        f'dst_host="N/A" reason="User requested termination of service" duration={seconds} sentbyte={sent} '
        f'rcvdbyte={received} msg="SSL tunnel shutdown"'
    )
    return _sent(at, 190, text)


def admin(at: datetime, user: str, address: str, *, success: bool = True) -> Line:
    """Return FortiGate's line on a login of an administrator over HTTPS."""
    word, ident, level = ("success", "0100032001", "information") if success else ("failed", "0100032002", "alert")
    head = _head(at, f'logid="{ident}" type="event" subtype="system" level="{level}"')
    reason = "none" if success else "passwd_invalid"
    said = (
        f"Administrator {user} logged in successfully from https({address})"
        if success
        else f"Administrator {user} login failed from https({address}) because of invalid password"
    )
    text = (
        f'{head} logdesc="Admin login {"successful" if success else "failed"}" sn="{int(at.timestamp())}" '
        f'user="{user}" ui="https({address})" method="https" srcip={address} dstip={FIREWALL.address} '
        f'action="login" status="{word}" reason="{reason}" profile="super_admin" msg="{said}"'
    )
    return _sent(at, 190 if success else 185, text)


def configured(at: datetime, user: str, address: str, path: str, change: str) -> Line:
    """Return FortiGate's line on a changed option; `path` as in `firewall.policy`, `change` as it says it."""
    head = _head(at, 'logid="0100044546" type="event" subtype="system" level="information"')
    text = (
        f'{head} logdesc="Attribute configured" user="{user}" ui="GUI({address})" action="Edit" '
        f'cfgtid={int(at.timestamp())} cfgpath="{path}" cfgobj="{change.split("[", maxsplit=1)[0]}" cfgattr="{change}" '
        f'msg="Edit {path}"'
    )
    return _sent(at, 190, text)


def filterlog(at: datetime, school: School, flow: Flow, rng: Random, action: str = "pass") -> Line:
    """Return OPNsense's line on the first packet of a connection out of a school; `action` is `pass` or `block`."""
    number, tracker = (5, 1_000_000_103) if action == "block" else (77, 1_535_324_496)
    ports = f"{rng.randrange(49152, 65536)},{flow.port}"
    if flow.port in _UDP:
        proto, rest = "17,udp,71", f"{flow.source},{flow.target},{ports},51"
    else:
        seq = rng.randrange(1 << 32)
        proto, rest = "6,tcp,60", f"{flow.source},{flow.target},{ports},0,S,{seq},,64240,,mss;sackOK;TS;nop;wscale"
    text = f"{number},,,{tracker},igb1,match,{action},in,4,0x0,,64,{rng.randrange(65536)},0,DF,{proto},{rest}"
    return Line(at, school.firewall.address, ietf(at, school.firewall.name, "filterlog 915", text, 134), "syslog-udp")
