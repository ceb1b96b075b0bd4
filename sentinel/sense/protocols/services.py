"""What keeps a network running: DHCP (RFC 2131, 2132; RFC 8415 for IPv6), NTP (RFC 5905), SNMP (RFC 3416)."""

from collections.abc import Iterator
from textwrap import wrap

from sentinel.sense.columns import AT, Cells, number, numbers, values
from sentinel.sense.protocols.common import LIST_MAX, Ends, cut, ends, is_answer
from sentinel.sense.records import Dhcp, Dhcpv6, Ntp, Snmp
from sentinel.sense.sift import Shown

__all__ = ["dhcp", "dhcpv6", "ntp", "snmp"]

_MESSAGES = ("", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM")
_MESSAGES_6 = (
    "", "SOLICIT", "ADVERTISE", "REQUEST", "CONFIRM", "RENEW", "REBIND", "REPLY", "RELEASE", "DECLINE", "RECONFIGURE",
    "INFORMATION-REQUEST",
)  # fmt: skip
_CLIENT_ID, _SERVER_ID = "1", "2"
# DUIDs made of an Ethernet card: with and without a time before it (RFC 8415, section 11)
_CARDS = {"00010001": 16, "00030001": 8}
_OPERATIONS = (
    "get-request", "get-next-request", "get-response", "set-request", "trap", "get-bulk-request", "inform-request",
    "snmpV2-trap", "report",
)  # fmt: skip
_NOWHERE = "0.0.0.0"  # noqa: S104  an address in a packet, none that anything is bound to


def dhcp(cells: Cells, shown: Shown) -> Iterator[Dhcp]:
    """Yield the record of a DHCP message."""
    kind = number(cells[AT["dhcp.option.dhcp"]])
    if not 0 < kind < len(_MESSAGES):
        return
    given = [cells[AT[f"dhcp.{name}"]] for name in ("ip.your", "option.requested_ip_address", "ip.client")]
    yield Dhcp(
        **_sent(shown),
        message=_MESSAGES[kind],
        client_mac=cells[AT["dhcp.hw.mac_addr"]],
        src_mac=shown.card.hex(":"),
        address=next((one for one in given if one and one != _NOWHERE), ""),
        server_id=cells[AT["dhcp.option.dhcp_server_id"]],
        relay=cells[AT["dhcp.ip.relay"]].replace(_NOWHERE, ""),
        routers=tuple(values(cells[AT["dhcp.option.router"]])[:LIST_MAX]),
        name_servers=tuple(values(cells[AT["dhcp.option.domain_name_server"]])[:LIST_MAX]),
        hostname=cut(cells[AT["dhcp.option.hostname"]]),
    )


def dhcpv6(cells: Cells, shown: Shown) -> Iterator[Dhcpv6]:
    """Yield the record of a DHCPv6 message, of one in relays' envelopes of the innermost."""
    kind = numbers(cells[AT["dhcpv6.msgtype"]])[-1:]
    if not kind or not 0 < kind[0] < len(_MESSAGES_6):
        return
    options = values(cells[AT["dhcpv6.option.type"]])
    names = (one for one in options if one in {_CLIENT_ID, _SERVER_ID})
    ids = dict(zip(names, values(cells[AT["dhcpv6.duid.bytes"]]), strict=False))
    client = ids.get(_CLIENT_ID, "")
    at = _CARDS.get(client[:8], len(client))
    prefixes = zip(*(values(cells[AT[f"dhcpv6.iaprefix.{part}"]]) for part in ("pref_addr", "pref_len")), strict=False)
    yield Dhcpv6(
        **_sent(shown),
        message=_MESSAGES_6[kind[0]],
        client_id=cut(client),
        client_mac=":".join(wrap(client[at : at + 12], 2)),
        src_mac=shown.card.hex(":"),
        server_id=cut(ids.get(_SERVER_ID, "")),
        addresses=tuple(values(cells[AT["dhcpv6.iaaddr.ip"]])[:LIST_MAX]),
        prefixes=tuple("/".join(prefix) for prefix in prefixes)[:LIST_MAX],
        relay=cells[AT["dhcpv6.linkaddr"]],
        name_servers=tuple(values(cells[AT["dhcpv6.dns_server"]])[:LIST_MAX]),
        hostname=cut(cells[AT["dhcpv6.client_domain"]].rstrip(".")),
        status=number(cells[AT["dhcpv6.status_code"]], -1),
    )


def _sent(shown: Shown) -> Ends:
    # the ends as they are in the packet
    found = ends(shown)
    if is_answer(shown):
        found["src"], found["dst"] = found["dst"], found["src"]
        found["sport"], found["dport"] = found["dport"], found["sport"]
    return found


def ntp(cells: Cells, shown: Shown) -> Iterator[Ntp]:
    """Yield the record of an NTP message."""
    mode = number(cells[AT["ntp.flags.mode"]])
    if not mode:
        return
    yield Ntp(
        **ends(shown),
        version=number(cells[AT["ntp.flags.vn"]]),
        mode=mode,
        stratum=number(cells[AT["ntp.stratum"]]),
        request=number(cells[AT["ntp.priv.reqcode"]]),
    )


def snmp(cells: Cells, shown: Shown) -> Iterator[Snmp]:
    """Yield the record of an SNMP message; of version 3, what is encrypted has no operation."""
    first, third = cells[AT["snmp.version"]], cells[AT["snmp.msgVersion"]]
    if not first and not third:
        return
    version = number(third or first)
    operation = cells[AT["snmp.data"]]
    kind = number(operation)
    yield Snmp(
        **ends(shown),
        version=version if version == 3 else version + 1,
        operation=_OPERATIONS[kind] if operation and kind < len(_OPERATIONS) else "",
    )
