"""What Windows speaks: SMB (MS-CIFS, MS-SMB2), DCE-RPC (C706, MS-RPCE) and the beginning of RDP (MS-RDPBCGR)."""

from collections.abc import Iterator
from typing import Literal

from sentinel.sense.applications import Dcerpc, Rdp, Smb
from sentinel.sense.columns import AT, Cells, number, numbers, values
from sentinel.sense.protocols.common import LIST_MAX, cut, ends, is_answer
from sentinel.sense.sift import Shown

__all__ = ["INTERFACES", "dcerpc", "rdp", "smb", "smb2"]

INTERFACES = {
    "e3514235-4b06-11d1-ab04-00c04fc2dcd2": "drsuapi", "12345678-1234-abcd-ef00-01234567cffb": "netlogon",
    "12345778-1234-abcd-ef00-0123456789ac": "samr", "12345778-1234-abcd-ef00-0123456789ab": "lsarpc",
    "367abb81-9844-35f1-ad32-98f038001003": "svcctl", "1ff70682-0a51-30e8-076d-740be8cee98b": "atsvc",
    "86d35949-83c9-4044-b424-db363231fd0c": "schrpc", "12345678-1234-abcd-ef00-0123456789ab": "spoolss",
    "76f03f96-cdfd-44fc-a22c-64950a001209": "iremotewinspool", "338cd001-2244-31f1-aaaa-900038001003": "winreg",
    "4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc", "6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc",
    "e1af8308-5d1f-11c9-91a4-08002b14a0fa": "epmapper", "c681d488-d850-11d0-8c52-00c04fd90f7e": "efsrpc",
    "df1941c5-fe89-4e79-bf10-463657acf44d": "efsrpc", "a8e0653c-2744-4389-a61d-7373df8b2292": "fsrvp",
    "4fc742e0-4a10-11cf-8273-00aa004ae673": "netdfs", "82273fdc-e32a-18c3-3f78-827929dc23ea": "eventlog",
    "99fcfec4-5260-101b-bbcb-00aa0021347a": "oxidresolver", "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57": "remoteactivation",
    "000001a0-0000-0000-c000-000000000046": "remotescmactivator",
    "9556dc99-828c-11cf-a37e-00aa003240c7": "iwbemservices",
    "ecec0d70-a603-11d0-96b1-00a0c91ece30": "backup", "50abc2a4-574d-40b3-9d66-ee4fd5fba076": "dnsserver",
    "f5cc5a18-4264-101a-8c59-08002b2f8426": "nspi", "d049b186-814f-11d1-9a3c-00c04fc9b232": "frsapi",
}  # fmt: skip
"""The usual names of interfaces by UUID (MS-RPCE's index of the protocol documents)."""

_TRUE = frozenset({"1", "True"})
_KINDS: dict[str, Literal["bind", "request", "response", "fault"]] = {
    "0": "request", "2": "response", "3": "fault", "11": "bind", "14": "bind",
}  # fmt: skip
_NO_COMPRESSION = 0


def smb2(cells: Cells, shown: Shown) -> Iterator[Smb]:
    """Yield the record of a packet of SMB 2 or 3."""
    commands = numbers(cells[AT["smb2.cmd"]])
    offset = cells[AT["smb2.header.comp_transform.offset"]]
    if not commands and not offset:
        return
    yield Smb(
        **ends(shown),
        kind="response" if cells[AT["smb2.flags.response"]] in _TRUE else "request",
        version=2,
        commands=tuple(commands[:LIST_MAX]),
        status=number(cells[AT["smb2.nt_status"]]),
        tree=cut(cells[AT["smb2.tree"]]),
        file=cut(cells[AT["smb2.filename"]]),
        user=cut(cells[AT["ntlmssp.auth.username"]]),
        domain=cut(cells[AT["ntlmssp.auth.domain"]]),
        host=cut(cells[AT["ntlmssp.auth.hostname"]]),
        dialects=tuple(values(cells[AT["smb2.dialect"]])[:LIST_MAX]),
        compression=number(cells[AT["smb2.negotiate_context.comp_alg_id"]]) != _NO_COMPRESSION,
        compressed_offset=number(offset, -1),
        compressed_size=number(cells[AT["smb2.header.comp_transform.original_size"]]),
    )


def smb(cells: Cells, shown: Shown) -> Iterator[Smb]:
    """Yield the record of a packet of SMB 1."""
    commands = numbers(cells[AT["smb.cmd"]])
    if not commands:
        return
    yield Smb(
        **ends(shown),
        kind="response" if cells[AT["smb.flags.response"]] in _TRUE else "request",
        version=1,
        commands=tuple(commands[:LIST_MAX]),
        status=number(cells[AT["smb.nt_status"]]),
        tree=cut(cells[AT["smb.path"]]),
        file=cut(cells[AT["smb.file"]]),
        user=cut(cells[AT["ntlmssp.auth.username"]]),
        domain=cut(cells[AT["ntlmssp.auth.domain"]]),
        host=cut(cells[AT["ntlmssp.auth.hostname"]]),
        dialects=tuple(values(cells[AT["smb.dialect.name"]])[:LIST_MAX]),
    )


def dcerpc(cells: Cells, shown: Shown) -> Iterator[Dcerpc]:
    """Yield the record of a bind, a request, a response or a fault of DCE-RPC."""
    kind = _KINDS.get(cells[AT["dcerpc.pkt_type"]])
    if kind is None:
        return
    notes = shown.side.flow.notes
    interface = cells[AT["dcerpc.cn_bind_to_uuid"]].lower()
    if interface:
        notes["dcerpc"] = interface
    bound = interface or str(notes.get("dcerpc", ""))
    yield Dcerpc(
        **ends(shown),
        kind=kind,
        interface=cut(bound),
        name=INTERFACES.get(bound, ""),
        opnum=number(cells[AT["dcerpc.opnum"]], -1),
    )


def rdp(cells: Cells, shown: Shown) -> Iterator[Rdp]:
    """Yield the record of an RDP connection's request or its confirmation."""
    cookie = cells[AT["rdp.rt_cookie"]]
    wanted, chosen = cells[AT["rdp.negReq.requestedProtocols"]], cells[AT["rdp.negReq.selectedProtocol"]]
    if not (cookie or wanted or chosen):
        return
    _, found, user = cookie.partition("mstshash=")
    yield Rdp(
        **ends(shown),
        kind="response" if is_answer(shown) else "request",
        user=cut(user.strip()) if found else "",
        protocols=number(wanted, -1),
        chosen=number(chosen, -1),
    )
