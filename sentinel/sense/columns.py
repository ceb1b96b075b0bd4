"""What is asked of tshark for every packet it is shown, never a field that holds payload or a password.

A `*` behind a name asks for all values of the field in the packet, joined by commas; else the first alone is given.
Names: `tshark -G fields` (Wireshark 4.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

__all__ = ["AT", "COLUMNS", "Cells", "Column", "number", "numbers", "values"]

Cells = list[str]
"""One row: a cell for each of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Column:
    """One cell of a row: one of `fields`, whichever the packet has; `every` asks for all its values, joined by commas.

    The fields of a column belong to protocols of which a packet speaks one: a column costs tshark as much as twenty
    fields do.
    """

    fields: tuple[str, ...]
    every: bool = False

    @property
    def format(self) -> str:
        """The column as tshark's preference `gui.column.format` writes it, values unresolved."""
        return f'"{self.fields[0]}","%Cus:{" || ".join(self.fields)}:{0 if self.every else 1}:U"'


# what may stand beside anything else in a packet: each has a cell of its own
_ALONE = (
    "frame.number", "frame.protocols",
    "kerberos.msg_type", "kerberos.CNameString*", "kerberos.realm", "kerberos.SNameString*", "kerberos.ENCTYPE*",
    "kerberos.etype*", "kerberos.error_code",
    "x509if.oid*", "x509sat.DirectoryString*", "x509sat.uTF8String*", "x509sat.printableString*", "x509af.utcTime*",
    "x509ce.dNSName*",
)  # fmt: skip
# beside one of those below, a packet has one of these: an NTLM login or a call, or certificates
_BESIDE = (
    ("ntlmssp.auth.username", "ntlmssp.auth.domain", "ntlmssp.auth.hostname",
     "dcerpc.pkt_type", "dcerpc.cn_bind_to_uuid", "dcerpc.opnum"),
    ("x509if.rdnSequence", "x509af.rdnSequence", "x509af.serialNumber", "x509af.algorithm.id"),
)  # fmt: skip
# a packet speaks one of these
_EITHER = (
    ("tls.handshake.type*", "tls.handshake.version", "tls.handshake.extensions.supported_version*",
     "tls.handshake.ciphersuite*", "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str",
     "tls.handshake.extension.type*", "tls.handshake.sig_hash_alg*", "tls.handshake.sig_hash_alg_len*",
     "tls.handshake.ja3", "tls.handshake.ja3s", "tls.handshake.sig_len", "tls.handshake.epms_len",
     "tls.record.content_type*"),
    ("dtls.handshake.type*", "dtls.handshake.version", "dtls.handshake.extensions_server_name",
     "dtls.handshake.ciphersuite*"),
    ("dns.id", "dns.flags.response", "dns.flags.rcode", "dns.qry.name", "dns.qry.type", "dns.resp.ttl",
     "dns.a*", "dns.aaaa*", "dns.cname*", "dns.ptr.domain_name*", "dns.mx.mail_exchange*"),
    ("nbns.id", "nbns.flags.response", "nbns.flags.rcode", "nbns.name", "nbns.type", "nbns.addr*"),
    ("http.request.method", "http.request.uri", "http.host", "http.user_agent", "http.referer", "http.response.code",
     "http.content_type", "http.content_length_header", "http.server", "http.location"),
    ("smb2.cmd*", "smb2.flags.response", "smb2.nt_status", "smb2.tree", "smb2.filename", "smb2.dialect*",
     "smb2.negotiate_context.comp_alg_id", "smb2.header.comp_transform.offset",
     "smb2.header.comp_transform.original_size"),
    ("smb.cmd*", "smb.flags.response", "smb.nt_status", "smb.path", "smb.file", "smb.dialect.name*"),
    ("ldap.protocolOp", "ldap.name", "ldap.authentication", "ldap.baseObject", "ldap.resultCode"),
    ("ssh.protocol", "ssh.kex.hassh", "ssh.kex.hasshserver"),
    ("rdp.rt_cookie", "rdp.negReq.requestedProtocols", "rdp.negReq.selectedProtocol"),
    ("ftp.request.command", "ftp.response.code"),
    ("pop.request.command", "pop.response.indicator"),
    ("imap.request.command", "imap.response.status", "imap.request.username"),
    ("smtp.req.command", "smtp.response.code"),
    ("rsh.client_username", "rsh.server_username"),
    ("rlogin.client_user_name", "rlogin.server_user_name"),
    ("dhcp.option.dhcp", "dhcp.hw.mac_addr", "dhcp.ip.client", "dhcp.ip.your", "dhcp.ip.relay",
     "dhcp.option.dhcp_server_id", "dhcp.option.hostname", "dhcp.option.requested_ip_address",
     "dhcp.option.router*", "dhcp.option.domain_name_server*"),
    ("dhcpv6.msgtype*", "dhcpv6.option.type*", "dhcpv6.duid.bytes*", "dhcpv6.iaaddr.ip*", "dhcpv6.dns_server*",
     "dhcpv6.iaprefix.pref_addr*", "dhcpv6.iaprefix.pref_len*", "dhcpv6.linkaddr", "dhcpv6.client_domain",
     "dhcpv6.status_code"),
    ("ntp.flags.vn", "ntp.flags.mode", "ntp.stratum", "ntp.priv.reqcode"),
    ("snmp.version", "snmp.msgVersion", "snmp.data"),
)  # fmt: skip


def _together() -> tuple[Column, ...]:
    # the first of each kind share a cell, the second of each kind the next, and so on
    found = [Column((name.removesuffix("*"),), every=name.endswith("*")) for name in _ALONE]
    for group, every in ((_BESIDE, False), (_EITHER, False), (_EITHER, True)):
        kinds = [[name.removesuffix("*") for name in some if name.endswith("*") is every] for some in group]
        rows = zip_longest(*kinds)
        found += [Column(tuple(name for name in row if name), every=every) for row in rows]
    return tuple(found)


COLUMNS = _together()
"""The columns, in the order of a row's cells."""

AT: Mapping[str, int] = {field: at for at, column in enumerate(COLUMNS) for field in column.fields}
"""Where in a row a field's cell is; a reader of another protocol finds its own field there."""


def number(cell: str, none: int = 0) -> int:
    """Return a cell's number, decimal or hexadecimal (`0x…`), `none` if it holds none."""
    if not cell:
        return none
    try:
        return int(cell, 0)
    except ValueError:
        # a decimal number may begin with zeros
        return int(cell) if cell.isascii() and cell.isdecimal() else none


def values(cell: str) -> list[str]:
    """Return all values of a cell."""
    return cell.split(",") if cell else []


def numbers(cell: str) -> list[int]:
    """Return all numbers of a cell."""
    return [number(one) for one in cell.split(",")] if cell else []
