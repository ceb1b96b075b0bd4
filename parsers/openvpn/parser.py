"""Reads OpenVPN's log (src/openvpn/ssl.c, ssl_verify.c, multi.c, forward.c, socket.c) from a file or from syslog.

A server puts the client before each of its lines (`alice/203.0.113.7:51234 …`): that is the source. A client's log has
no such prefix; whom it connects to is the destination. Access Server wraps the same lines in `OUT: '…'` and writes
its own about logins; pfSense and OPNsense add lines about users.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, stamps, syslog, text, when
from sentinel.pack.forms import what

MESSAGE_MAX = 4_096
_IP = r"\[?[0-9A-Fa-f:.]{2,45}\]?"
_PREFIX = re.compile(
    r"(?:(?P<cn>[^/\n]{1,256})/)?(?P<ip>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Fa-f:.]{3,45}):(?P<port>\d{1,5}) "
)
_BARE = re.compile(rf"(?P<cn>[^/\s]{{1,256}})/(?P<ip>{_IP}) ")
_US = re.compile(r"us=(\d{1,6}) ")
_PEER = re.compile(rf"\[AF_INET6?\](?P<ip>{_IP}?):(?P<port>\d{{1,5}})(?!\d)")
_APPS = ("openvpn", "ovpn")
_AS = re.compile(
    r"\[(?:stdout|stderr)#(?P<level>\w+)\] "
    r"(?:\[OVPN \d+\] OUT: (?P<quote>['\"])(?P<inside>.*)(?P=quote)|(?P<own>.*))"
)
_PYTHON = re.compile(
    r"'(user|common_name|client_ip_addr|real_addr|client_addr|reason|status)': u?(?:'([^']{0,256})'|(-?\d{1,6}))"
)
_FAILED = what("vpn_login", "authentication", "start", "failure")
_CERTIFICATE = what("vpn_certificate", "authentication", "info", "failure")
_VERIFIED = what("vpn_certificate", "authentication", "info", "success")
_HANDSHAKE = what("vpn_handshake", "authentication", "start", "failure")
_LOGIN = what("vpn_login", "authentication", "start", "success")
_BEGUN = what("vpn_connected", "session network", "start connection", "success")
_ENDED = what("vpn_disconnected", "session network", "end connection", "success")
_TRIED = what("vpn_connection", "network", "start connection")
_ADDRESS = what("vpn_address", "network", "info")
_PROCESS = what("vpn_started", "process", "start", "success")
_STOPPED = what("vpn_stopped", "process", "end", "success")
_NAME = r"'(?P<user>[^'\n]{1,256})'"
_PFSENSE = r"openvpn server '(?P<server>[^']{1,64})' user '(?P<user>.{1,256})' address '(?P<ip>[^']{2,45})'"
_PLUGIN = r"(?:AUTH-PAM|PAM-AUTH|RADIUS-PLUGIN|LDAP\S{0,30})"
_PROTOCOL = what("vpn_protocol", "network", "protocol")
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile(form), said)
    for form, said in (
        (r"\[(?P<cn>.{0,256}?)\] Peer Connection Initiated with .*", _BEGUN),
        (rf"TLS: Username/Password authentication succeeded for username {_NAME}.*", _LOGIN),
        (r"TLS: Initial packet from .*", _TRIED),
        (r"TLS Auth Error: (?P<reason>.*)", _FAILED),
        (r"AUTH: Received control message: (?P<reason>AUTH_FAILED.*)", _FAILED),
        (r"SENT CONTROL \[(?P<cn>[^\]]{0,256})\]: '(?P<reason>AUTH_FAILED[^']{0,500})'.*", _FAILED),
        (r"SENT CONTROL \[(?P<cn>[^\]]{0,256})\]: 'PUSH_REPLY,.*", what("vpn_pushed", "network", "info")),
        (r"VERIFY OK: depth=0, (?P<subject>.*)", _VERIFIED),
        (r"VERIFY (?:\w+ )?(?:ERROR|FAILED): depth=\d+, error=(?P<reason>[^:]{1,200}): (?P<subject>.*)", _CERTIFICATE),
        (r"VERIFY (?:\w+ )?ERROR: depth=\d+, (?P<subject>.*)", _CERTIFICATE),
        (r"VERIFY \w+ ERROR.*|Certificate does not have .*|CRL CHECK FAILED: .*", _CERTIFICATE),
        (r"VERIFY (?:\w+ )?OK.*", _VERIFIED),
        (r"TLS Error: (?P<reason>.*)", _HANDSHAKE),
        (r"(?P<reason>TLS_ERROR: .*|OpenSSL: error:.*|Authenticate/Decrypt packet error: .*|tls-crypt\S* unwrap err.*)",
         _HANDSHAKE),
        (r"MULTI: primary virtual IPv?6? for \S{1,300}: (?P<virtual>\S+)", _ADDRESS),
        (r"MULTI: Learn: (?P<virtual>\S+) -> .*|MULTI_sva: pool returned IPv4=(?P<pool>[^,\s]+).*", _ADDRESS),
        (r"MULTI: bad source address from client \[(?P<virtual>[^\]\s]+)\], packet dropped.*",
         what("vpn_bad_source", "network", "denied", "failure")),
        (r"MULTI: new connection by client '(?P<cn>[^'\n]{1,256})' will cause .*",
         what("vpn_replaced", "session", "end")),
        (r"(?:\[(?P<cn>.{0,256}?)\] )?(?P<reason>Inactivity timeout .*)", _ENDED),
        (r"(?P<reason>SIG\w+\[[^\]]{0,60}\] received, client-instance (?:exiting|restarting))", _ENDED),
        (r"(?P<reason>Connection reset, restarting .*)", _ENDED),
        (r"(?P<reason>SIG\w+\[[^\]]{0,60}\] received, process exiting)", _STOPPED),
        (r"Initialization Sequence Completed.*", _PROCESS),
        (r"OpenVPN (?P<version>\d\S{0,30}) .*", _PROCESS),
        (r"Control Channel: (?P<tls>(?:TLS|SSL)v[\d.]+), cipher (?:\S+ )?(?P<cipher>[^\s,]+).*",
         _PROTOCOL),
        (r"peer info: IV_VER=(?P<client>.*)", _PROTOCOL),
        (r"MANAGEMENT: Client connected.*", what("vpn_management", "session", "start")),
        (r"MANAGEMENT: Client disconnected.*", what("vpn_management", "session", "end")),
        (r"MANAGEMENT: CMD '(?P<command>[^']{1,300})'", what("vpn_management_command", "process", "info")),
        (rf"{_PLUGIN}: .{{0,60}}user '?(?P<user>[^'\s]{{1,256}})'? failed to authenticate(?:: (?P<reason>.*))?",
         _FAILED),
        (r"RADIUS-PLUGIN: .{0,40}Auth failed for user (?P<user>\S{1,256})\.?", _FAILED),
        (r"(?:PLUGIN_CALL: POST \S+/|PLUGIN_CALL: plugin function )PLUGIN_AUTH_USER_PASS_VERIFY.*status=1.*",
         what("vpn_login_check", "authentication", "info", "failure")),
        (r"(?P<reason>WARNING: (?:Failed running command|.* authentication script).*)",
         what("vpn_login_check", "authentication", "info", "failure")),
        (r"Options error: (?P<reason>.*)", what("vpn_configuration", "configuration", "error", "failure")),
        (r"PUSH: Received control message: .*", _PROTOCOL),
        (r"(?:Outgoing |Incoming )?Data Channel.*|peer info: .*", _PROTOCOL),
        (r"TLS: (?:soft reset|new session|tls_process|move_session|.{0,80}(?:expired|renegotiat)).*", _PROTOCOL),
        (r"Replay-window.*|LZO compression.*|Bad (?:LZO|compress).*", _PROTOCOL),
        (r"(?P<reason>(?:read|write) (?:UDP|TCP)\S{0,10}.{0,40}: .*)", what("vpn_transport", "network", "connection")),
        (r"(?P<reason>Connection (?:refused|timed out).*|TCP connection .*)",
         what("vpn_transport", "network", "connection")),
        (r"(?P<reason>Exiting due to fatal error.*|Cannot .*)",
         what("vpn_error", "process", "error", "failure")),
        (rf"{_PFSENSE} - connected", _BEGUN),
        (rf"{_PFSENSE} - disconnected", _ENDED),
        (rf"{_PFSENSE} - connecting", _TRIED),
        (r"user '?(?P<user>[^'\n]{1,256}?)'? authenticated(?: successfully)?(?: (?:using|for) .*)?\.?", _LOGIN),
        (r"user '?(?P<user>[^'\n]{1,256}?)'? could not authenticate(?: for .*)?\.?", _FAILED),
    )
)  # fmt: skip
_CN = re.compile(r"(?:^|, |/)CN=([^,/\n]{1,256})")
_PLACES = {
    "user": "user.name", "reason": "event.reason", "subject": "tls.client.subject", "version": "observer.version",
    "cipher": "tls.cipher", "client": "openvpn.client_version", "server": "openvpn.server",
    "command": "openvpn.command",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.priority is None and not (line.app or "").lower().startswith(_APPS):
        line = syslog.Syslog(text.decode(raw.body))  # a file of its own: no header, whatever it looks like
    fields = syslog.fields(line)
    fields["observer.vendor"], fields["observer.product"] = "OpenVPN", "OpenVPN"
    fields["observer.type"] = "vpn"
    message, stamped = _stamped(line.message[:MESSAGE_MAX].strip(), fields, raw)
    wrapped = _AS.fullmatch(message)
    if wrapped:
        fields["log.level"] = wrapped["level"]
        message, stamped = _stamped(wrapped["inside"] or wrapped["own"] or "", fields, raw)
    if micro := _US.match(message):
        message = message[micro.end() :]
    known = _read(message, fields)
    if wrapped and wrapped["own"]:
        known = _access_server(message, fields) or known
    if not known and line.app is None and not stamped and line.timestamp is None:
        raise ParseError("neither a time nor a message of OpenVPN")
    if message:
        fields["message"] = message
    fields.setdefault("event.category", ("network",))
    fields.setdefault("event.type", ("info",))
    yield fields


def _stamped(message: str, fields: Fields, raw: Raw) -> tuple[str, bool]:
    stamp = stamps.find(message, raw.received, raw.zone, 1)
    if stamp is None:
        return message, "@timestamp" in fields
    fields["@timestamp"] = when.iso(stamp.moment)
    return message[stamp.end :].lstrip(" "), True


def _read(message: str, fields: Fields) -> bool:
    served = _PREFIX.match(message) or _BARE.match(message)
    if served and text.address(served["ip"]):
        _client(fields, served)
        message = message[served.end() :]
    peer = _PEER.search(message)
    outward = served is None and ("with [AF" in message or "remote" in message)
    if peer is not None and "source.ip" not in fields and (address := text.address(peer["ip"])):
        side = "destination" if outward else "source"
        if outward or "from [AF" in message:
            text.put(fields, [(f"{side}.ip", address), (f"{side}.port", text.port(peer["port"]) or None)])
    for form, said in _FORMS:
        found = form.fullmatch(message)
        if found:
            fields.update(said)
            _fill(fields, found.groupdict(), served is not None)
            return True
    return served is not None or peer is not None


def _client(fields: Fields, served: "re.Match[str]") -> None:
    parts = served.groupdict()
    text.put(fields, [("source.ip", text.address(parts["ip"])), ("source.port", text.port(parts.get("port")) or None)])
    name = parts.get("cn")
    if name and name not in {"UNDEF", "-"}:
        fields["openvpn.common_name"] = fields["user.name"] = name


def _fill(fields: Fields, found: dict[str, str | None], served: bool) -> None:  # noqa: FBT001  the one thing to tell
    for name, place in _PLACES.items():
        if value := found.get(name):
            fields[place] = value
    if (address := text.address(found.get("ip"))) is not None:
        fields["source.ip"] = address
    virtual = (found.get("virtual") or found.get("pool") or "").partition("/")[0]
    if (inside := text.address(virtual)) is not None:
        fields["openvpn.virtual_ip"] = inside
        fields["related.ip"] = (inside,)
    name = found.get("cn")
    subject = _CN.search(found.get("subject") or "")
    if subject:
        name = subject[1]
    if name and name not in {"UNDEF", ""} and served:
        fields["openvpn.common_name"] = name
        fields.setdefault("user.name", name)
    if version := found.get("tls"):
        fields["tls.version_protocol"], fields["tls.version"] = version[:3].lower(), version[4:]


def _access_server(message: str, fields: Fields) -> bool:
    pairs = {name: word or number for name, word, number in _PYTHON.findall(message)}
    if not pairs:
        return False
    text.put(fields, [("user.name", pairs.get("user")), ("openvpn.common_name", pairs.get("common_name"))])
    where = pairs.get("real_addr") or pairs.get("client_ip_addr") or pairs.get("client_addr")
    text.put(fields, [("source.ip", text.address(where)), ("event.reason", pairs.get("reason"))])
    head = message[:40].upper()
    if "AUTH SUCCESS" in head or "AUTH" in head:
        fields.update(_LOGIN if "SUCCESS" in head else _FAILED)
    return True
