"""What keeps a network running: DHCP (RFC 2131, 2132), NTP (RFC 5905), SNMP (RFC 3416)."""

from collections.abc import Iterator

from sentinel.sense.columns import AT, Cells, number, values
from sentinel.sense.protocols.common import LIST_MAX, cut, ends, is_answer
from sentinel.sense.records import Dhcp, Ntp, Snmp
from sentinel.sense.sift import Shown

__all__ = ["dhcp", "ntp", "snmp"]

_MESSAGES = ("", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM")
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
    message = _MESSAGES[kind]
    found = ends(shown)
    flow = shown.side.flow
    sender = flow.dst if is_answer(shown) else flow.src
    found["src"], found["dst"] = sender, flow.src if is_answer(shown) else flow.dst
    given = [cells[AT[f"dhcp.{name}"]] for name in ("ip.your", "option.requested_ip_address", "ip.client")]
    yield Dhcp(
        **found,
        message=message,
        client_mac=cells[AT["dhcp.hw.mac_addr"]],
        src_mac=shown.card.hex(":"),
        address=next((one for one in given if one and one != _NOWHERE), ""),
        server_id=cells[AT["dhcp.option.dhcp_server_id"]],
        relay=cells[AT["dhcp.ip.relay"]].replace(_NOWHERE, ""),
        routers=tuple(values(cells[AT["dhcp.option.router"]])[:LIST_MAX]),
        name_servers=tuple(values(cells[AT["dhcp.option.domain_name_server"]])[:LIST_MAX]),
        hostname=cut(cells[AT["dhcp.option.hostname"]]),
    )


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
