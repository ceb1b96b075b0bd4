"""What the city's services write: OpenSSH, cron and sudo, BIND, Squid, ISC dhcpd, nginx.

Formats: sshd(8), BIND 9 ARM "queries" category, Squid native access.log, dhcpd(8), nginx "combined".
"""

from datetime import datetime
from random import Random

from sentinel.testing.city.firewalls import BERLIN
from sentinel.testing.city.lines import Line, Via, bsd
from sentinel.testing.city.town import LEASES, NAMES, PROXY, Server

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1 (KHTML, like Gecko) Version/19.1",
    "Mozilla/5.0 (Linux; Android 16; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile",
)  # fmt: skip


def auth(at: datetime, server: Server, program: str, text: str) -> Line:
    """Return a line of a Linux server's auth log; `program` as in `sshd[512]`."""
    return Line(at, server.address, bsd(at, server.name, program, text, 86))


def ssh(at: datetime, server: Server, user: str, address: str, rng: Random, how: str = "publickey") -> Line:
    """Return sshd's line on a login; `how` is `publickey`, `password` or `failed`."""
    port, pid = rng.randrange(1024, 65536), rng.randrange(500, 60_000)
    if how == "failed":
        text = f"Failed password for {user} from {address} port {port} ssh2"
    elif how == "password":
        text = f"Accepted password for {user} from {address} port {port} ssh2"
    else:
        text = f"Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:Zm9vYmFyYmF6cXV4"
    return auth(at, server, f"sshd[{pid}]", text)


def query(at: datetime, client: str, name: str, rng: Random, kind: str = "A") -> Line:
    """Return BIND's line on a question."""
    text = (
        f"queries: info: client @0x7f{rng.randrange(1 << 40):010x} {client}#{rng.randrange(1024, 65536)} ({name}): "
        f"query: {name} IN {kind} +E(0)K ({NAMES.address})"
    )
    return Line(at, NAMES.address, bsd(at, NAMES.name, "named[812]", text, 190))


def proxied(  # noqa: PLR0913  what a proxy says of a request
    at: datetime, client: str, user: str, target: tuple[str, str], rng: Random, *, size: int = 0, denied: bool = False
) -> Line:
    """Return Squid's line on a tunnel to `target` (name and address); `size` in bytes, 0: some."""
    name, address = target
    size = size or int(rng.paretovariate(1.1) * 4000) % 4_000_000
    took = rng.randrange(20, 9000)
    who = user or "-"
    if denied:
        text = f"TCP_DENIED/403 4012 CONNECT {name}:443 {who} HIER_NONE/- text/html"
    else:
        text = f"TCP_TUNNEL/200 {size} CONNECT {name}:443 {who} HIER_DIRECT/{address} -"
    stamp = f"{int(at.timestamp())}.{at.microsecond // 1000:03d}"
    body = bsd(at, PROXY.name, "squid[1034]", f"{stamp} {took:6d} {client} {text}", 190)
    return Line(at, PROXY.address, body)


def fetched(at: datetime, client: str, user: str, url: str, size: int) -> Line:
    """Return Squid's line on a page or file fetched without encryption."""
    stamp = f"{int(at.timestamp())}.{at.microsecond // 1000:03d}"
    what = f"{client} TCP_MISS/200 {size} GET {url} {user or '-'}"
    text = f"{stamp}    310 {what} HIER_DIRECT/203.0.113.80 application/octet-stream"
    return Line(at, PROXY.address, bsd(at, PROXY.name, "squid[1034]", text, 190))


def lease(at: datetime, client: str, card: str, name: str, server: Server = LEASES) -> Line:
    """Return dhcpd's line on an address given to a client."""
    return dhcpd(at, server, f"DHCPACK on {client} to {card} ({name}) via eth0")


def asked(at: datetime, client: str, card: str, name: str, server: Server = LEASES) -> Line:
    """Return dhcpd's line on a client that asks for an address."""
    return dhcpd(at, server, f"DHCPREQUEST for {client} from {card} ({name}) via eth0")


def declined(at: datetime, client: str, card: str, server: Server) -> Line:
    """Return dhcpd's line on a client that found its address in use."""
    return dhcpd(at, server, f"DHCPDECLINE of {client} from {card} via eth0: abandoned")


def dhcpd(at: datetime, server: Server, text: str) -> Line:
    """Return a line of dhcpd's; what runs on a firewall goes the way of all it writes."""
    via: Via = "syslog-udp" if server.name.startswith("fw-") else "syslog-tcp"
    return Line(at, server.address, bsd(at, server.name, "dhcpd[812]", text), via)


def web(  # noqa: PLR0913  what a web server says of a request
    at: datetime,
    server: Server,
    client: str,
    request: str,
    status: int,
    *,
    size: int = 5123,
    agent: str = BROWSERS[0],
    user: str = "-",
) -> Line:
    """Return nginx's line on a request, as in `GET /amt24/ HTTP/2.0`."""
    local = at.astimezone(BERLIN)
    stamp = bsd(local, "", "", "")[4:10].decode().split()[0]
    text = f'{client} - {user} [{local:%d}/{stamp}/{local:%Y:%H:%M:%S %z}] "{request}" {status} {size} "-" "{agent}"'
    return Line(at, server.address, bsd(at, server.name, "nginx", text, 190))
