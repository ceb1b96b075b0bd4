"""Reads strongSwan's charon (`09[IKE] <con|85> …`; src/libcharon) and Libreswan's pluto.

A line names a peer without saying who began. The side that uses a port of its own (NAT) began; of packets between
ports 500 and 4500 the sender is the source; `A...B` is local and remote and says no more, so both are `related.ip`.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, prose, stamps, syslog, text, when
from sentinel.pack.forms import what

MESSAGE_MAX = 4_096
_HEAD = re.compile(
    r"(?:\d{1,3}\[(?P<group>[A-Z]{3})\d?\] )?(?:<(?:(?P<connection>[^|<>]{1,200})\|)?(?P<unique>\d{1,12})> )?"
    r"(?P<said>.*)",
    re.DOTALL,
)
_PLUTO = re.compile(
    r'"(?P<connection>[^"]{1,200})"(?:\[(?P<unique>\d{1,12})\])? ?(?P<ip>[0-9A-Fa-f:.]{3,45})?(?::\d{1,5})?'
    r" #\d{1,12}: (?P<said>.*)"
)
_A = r"(?P<ip>[0-9A-Fa-f:.]{2,45})"
_PAIR = (
    r"(?P<one>[0-9A-Fa-f:.]{2,45})(?:\[(?P<one_id>.{1,300}?)\])?"
    r"\.\.\.(?P<other>[0-9A-Fa-f:.]{2,45})(?:\[(?P<other_id>.{1,300})\])?"
)
_GATE = r"(?P<remote>[0-9A-Fa-f:.]{2,45})(?: == .*)?"
_NAME = r"'(?P<user>[^'\n]{1,300})'"
_FAILED = what("vpn_login", "authentication", "start", "failure")
_LOGIN = what("vpn_login", "authentication", "start", "success")
_BEGUN = what("vpn_connected", "session network", "start connection", "success")
_ENDED = what("vpn_disconnected", "session network", "end connection", "success")
_TRIED = what("vpn_connection", "network", "start connection")
_REFUSED = what("vpn_refused", "network", "connection denied", "failure")
_UNTRUSTED = what("vpn_certificate", "authentication", "info", "failure")
_BROKEN = what("vpn_protocol_error", "network", "protocol error", "failure")
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple(
    (re.compile(form), said)
    for form, said in (
        ((r"(?P<packet>received|sending) packet: from (?P<from>[0-9A-Fa-f:.]{2,45})\[(?P<fport>\d{1,5})\] to"
          r" (?P<to>[0-9A-Fa-f:.]{2,45})\[(?P<tport>\d{1,5})\](?: \((?P<bytes>\d{1,9}) bytes\))?"),
         what("vpn_packet", "network", "protocol")),
        (rf"{_A} is initiating an? (?P<reason>.*)", _TRIED),
        (r"initiating (?P<reason>.{1,40}?) (?P<sa>\S{1,200}\[\d{1,12}\]) to (?P<remote>[0-9A-Fa-f:.]{2,45})", _TRIED),
        (rf"IKE_SA (?P<sa>.{{1,200}}\[\d{{1,12}}\]) established between {_PAIR}", _BEGUN),
        (rf"deleting IKE_SA (?P<sa>.{{1,200}}\[\d{{1,12}}\]) between {_PAIR}", _ENDED),
        (r"(?:inbound |outbound )?CHILD_SA (?P<sa>.{1,200}\{\d{1,12}\}) established with SPIs .*", _BEGUN),
        ((r"closing CHILD_SA (?P<sa>.{1,200}\{\d{1,12}\}) with SPIs \S{1,20} \((?P<in>\d{1,18}) bytes\) \S{1,20}"
          r" \((?P<out>\d{1,18}) bytes\) and TS .*"), _ENDED),
        (rf"EAP method (?P<method>\S{{1,60}}) succeeded.*|authentication of {_NAME} with EAP successful", _LOGIN),
        (r"authentication of '.{1,300}' \(myself\) .*", what("vpn_authentication", "authentication", "info")),
        (r"authentication of '(?P<user>[^'\n]{1,300})' with (?P<method>[^']{1,60}) successful",
         what("vpn_authentication", "authentication", "info", "success")),
        (r"authentication of '(?P<user>[^'\n]{1,300})' with (?P<method>.{1,60}?) failed.*", _FAILED),
        (rf"(?:XAuth|RADIUS|PAM|EAP\S{{0,20}}) authentication of {_NAME} successful.*", _LOGIN),
        (rf"(?:XAuth|RADIUS|PAM|EAP\S{{0,20}}) authentication of {_NAME} failed.*", _FAILED),
        (r"EAP method (?P<method>\S{1,60}) failed for peer '?(?P<user>[^'\s]{1,300})'?", _FAILED),
        (r"(?P<reason>EAP-\S{1,40} verification failed.*|EAP method \S{1,60} failed.*)", _FAILED),
        (rf"(?P<reason>no (?:EAP|shared|XAuth) key found) for (?:hosts )?{_NAME}.*", _FAILED),
        (r"(?P<reason>no (?:trusted|shared|EAP|private) .{0,40}key found) for '(?P<user>[^'\n]{1,300})'.*", _FAILED),
        (r"(?P<reason>received AUTHENTICATION_FAILED.*|tried \d{1,9} shared keys? for .*|constraint check failed.*)",
         _FAILED),
        (rf"received EAP identity {_NAME}", what("vpn_identity", "authentication", "info")),
        (rf"assigning (?:new lease|virtual IP (?P<virtual>\S{{2,45}})) to peer {_NAME}",
         what("vpn_address", "network", "info")),
        (rf"assigning (?:new )?lease (?:to )?{_NAME}.*", what("vpn_address", "network", "info")),
        (rf"(?P<reason>no (?:IKE|matching peer|peer) config found)(?: for)? (?:{_PAIR}).*", _REFUSED),
        (r"(?P<reason>received NO_PROPOSAL_CHOSEN.*|no (?:acceptable|matching) proposal.*|no proposal chosen.*)",
         _REFUSED),
        (rf"looking for (?:an? )?(?:\S{{1,30}} )?(?:peer )?configs? matching {_PAIR}",
         what("vpn_config", "network", "info")),
        (rf"destroying half-open IKE_SA with {_A} after timeout", _REFUSED),
        (rf"ignoring IKE_SA setup from {_A}, (?P<reason>.*)", _REFUSED),
        (r"(?P<reason>giving up after \d{1,4} retransmits|peer not responding.*)",
         what("vpn_timeout", "network", "connection end", "failure")),
        (r"received DELETE for (?:IKE_SA|ESP CHILD_SA|AH CHILD_SA) .*", _ENDED),
        (r"selected peer config '(?P<config>[^']{1,200})'.*", what("vpn_config", "network", "info", "success")),
        (r"(?P<reason>no (?:(?:alternative|matching) )?(?:peer )?config found.*)", _REFUSED),
        (r"(?P<reason>peer requested EAP, config inacceptable.*)", _REFUSED),
        (r"(?P<reason>(?:subject certificate invalid|certificate was revoked).*)", _UNTRUSTED),
        (r"(?P<reason>no (?:trusted|issuer) certificate found.*)", _UNTRUSTED),
        (r"(?P<reason>.{0,80}certificate (?:is )?(?:revoked|expired).*|CRL is stale.*)", _UNTRUSTED),
        (r"(?P<reason>certificate status is not available|fetching crl from .* failed.*)",
         what("vpn_certificate", "authentication", "info", "unknown")),
        (r"(?P<reason>destroying duplicate IKE_SA) for peer '(?P<user>[^'\n]{1,300})'.*",
         what("vpn_replaced", "session", "end")),
        (r"(?P<reason>(?:retransmit|sending DPD|sending keep ?alive|parsed|generating) .*)",
         what("vpn_protocol", "network", "protocol")),
        (r"(?P<reason>(?:MAC mismatched|could not decrypt|invalid (?:HASH|ID|MAC)|message verif|integrity).*)",
         _BROKEN),
        (r"(?P<reason>received (?:INVALID|TS_UNACCEPTABLE|UNSUPPORTED|FAILED_CP|INTERNAL|PAYLOAD_MALFORMED).*)",
         _BROKEN),
        (r"(?P<reason>IKE_SA deleted|CHILD_SA closed|CHILD_SA deleted|received DELETE.*|sending DELETE.*)", _ENDED),
        (r"Starting (?:IKE )?charon.{0,80}strongSwan (?P<version>[\w.]{1,20}).*",
         what("vpn_started", "process", "start", "success")),
        (r"(?P<reason>signal of type SIG(?:TERM|INT) received.*)", what("vpn_stopped", "process", "end", "success")),
        (r"(?:un)?(?:loaded|added|removed) (?P<reason>(?:vici )?(?:connection|config|secret|certificate|pool).*)",
         what("vpn_configuration", "configuration", "change")),
        (rf"(?P<way>[+-]) (?P<user>.{{1,300}}) (?P<virtual>[0-9A-Fa-f:.]{{2,45}})(?:/32|/128)? == {_A} -- {_GATE}",
         _BEGUN),
        (r".{0,120}\b(?:ISAKMP|IPsec|IKE) SA established.*|.{0,80}\bestablished (?:IKE|Child) SA.*", _BEGUN),
    )
)  # fmt: skip
_STANDARD = frozenset({"500", "4500"})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = prose.header(raw)
    fields = syslog.fields(line)
    fields["observer.vendor"] = fields["observer.product"] = "Libreswan" if line.app == "pluto" else "strongSwan"
    fields["observer.type"] = "vpn"
    message = line.message[:MESSAGE_MAX].strip()
    stamp = stamps.find(message, raw.received, raw.zone, 0) if line.timestamp is None else None
    if stamp is not None:
        fields["@timestamp"] = when.iso(stamp.moment)
        message = message[stamp.end :].lstrip()
    head = _PLUTO.match(message) or _HEAD.match(message)
    if head is None or (line.app is None and head.groupdict().get("group") is None and head.re is _HEAD):
        raise ParseError("no line of charon or pluto")
    parts = head.groupdict()
    text.put(fields, [
        ("strongswan.group", parts.get("group")), ("strongswan.connection", parts.get("connection")),
        ("strongswan.ike_sa", parts.get("unique")), ("source.ip", text.address(parts.get("ip"))),
    ])  # fmt: skip
    for form, said in _FORMS:
        found = form.fullmatch(parts["said"].strip())
        if found:
            fields.update(said)
            _fill(fields, {name: value for name, value in found.groupdict().items() if value})
            break
    fields.setdefault("event.category", ("network",))
    fields.setdefault("event.type", ("info",))
    yield fields


def _fill(fields: Fields, found: dict[str, str]) -> None:
    text.put(fields, [
        ("user.name", found.get("user")), ("event.reason", found.get("reason")), ("strongswan.sa", found.get("sa")),
        ("strongswan.method", found.get("method")), ("source.ip", text.address(found.get("ip"))),
        ("destination.ip", text.address(found.get("remote"))), ("strongswan.local_id", found.get("one_id")),
        ("strongswan.remote_id", found.get("other_id")), ("strongswan.virtual_ip", text.address(found.get("virtual"))),
        ("strongswan.bytes_in", found.get("in")), ("strongswan.bytes_out", found.get("out")),
        ("network.bytes", text.number(found.get("bytes"))),
    ])  # fmt: skip
    if found.get("way") == "-":  # what the script that tells of a tunnel logs as it goes
        fields.update(_ENDED)
    text.put(fields, [("observer.version", found.get("version")), ("strongswan.config", found.get("config"))])
    named = (found.get(name) for name in ("one", "other", "virtual"))
    text.put(fields, [("related.ip", tuple(one for one in map(text.address, named) if one))])
    if "packet" in found:
        _packet(fields, found)


def _packet(fields: Fields, found: dict[str, str]) -> None:
    ends = [(found["from"], found["fport"]), (found["to"], found["tport"])]
    if found["tport"] not in _STANDARD and found["fport"] in _STANDARD:
        ends.reverse()
    for side, (address, port) in zip(("source", "destination"), ends, strict=True):
        text.put(fields, [(f"{side}.ip", text.address(address)), (f"{side}.port", text.port(port) or None)])
