"""What is asked of tshark for every packet it is shown, never a field that holds payload or a password.

A `*` behind a name asks for all values of the field in the packet, joined by commas; else the first alone is given.
Names: `tshark -G fields` (Wireshark 4.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["AT", "COLUMNS", "Cells", "Column", "number", "numbers", "values"]

Cells = list[str]
"""One row: a cell for each of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a packet; `every` asks for all its values joined by commas, else the first alone is given."""

    field: str
    every: bool = False

    @property
    def format(self) -> str:
        """The column as tshark's preference `gui.column.format` writes it, values unresolved."""
        return f'"{self.field}","%Cus:{self.field}:{0 if self.every else 1}:U"'


_WANTED = (
    "frame.number", "frame.protocols", "eth.src",
    "dns.id", "dns.flags.response", "dns.flags.rcode", "dns.qry.name", "dns.qry.type", "dns.resp.ttl",
    "dns.a*", "dns.aaaa*", "dns.cname*", "dns.ptr.domain_name*", "dns.mx.mail_exchange*", "dns.ns*", "dns.srv.target*",
    "nbns.id", "nbns.flags.response", "nbns.flags.rcode", "nbns.name", "nbns.type", "nbns.addr*",
    "tls.handshake.type*", "tls.handshake.version", "tls.handshake.extensions.supported_version*",
    "tls.handshake.ciphersuite*", "tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str",
    "tls.handshake.extension.type*", "tls.handshake.sig_hash_alg*", "tls.handshake.sig_hash_alg_len*",
    "tls.handshake.ja3", "tls.handshake.ja3s", "tls.record.content_type*",
    "x509if.oid*", "x509if.rdnSequence", "x509af.rdnSequence", "x509sat.DirectoryString*", "x509sat.uTF8String*",
    "x509sat.printableString*", "x509af.utcTime*", "x509af.serialNumber", "x509af.algorithm.id", "x509ce.dNSName*",
    "dtls.handshake.type*", "dtls.handshake.version", "dtls.handshake.extensions_server_name",
    "dtls.handshake.ciphersuite*",
    "http.request.method", "http.request.uri", "http.host", "http.user_agent", "http.referer", "http.response.code",
    "http.content_type", "http.content_length_header", "http.server", "http.location",
    "smb2.cmd*", "smb2.flags.response", "smb2.nt_status", "smb2.tree", "smb2.filename", "smb2.dialect*",
    "smb2.negotiate_context.comp_alg_id", "smb2.header.comp_transform.offset",
    "smb2.header.comp_transform.original_size",
    "smb.cmd*", "smb.flags.response", "smb.nt_status", "smb.path", "smb.file", "smb.dialect.name*",
    "ntlmssp.auth.username", "ntlmssp.auth.domain", "ntlmssp.auth.hostname",
    "dcerpc.pkt_type", "dcerpc.cn_bind_to_uuid", "dcerpc.opnum",
    "kerberos.msg_type", "kerberos.CNameString*", "kerberos.realm", "kerberos.SNameString*", "kerberos.ENCTYPE*",
    "kerberos.etype*", "kerberos.error_code",
    "ldap.protocolOp", "ldap.name", "ldap.authentication", "ldap.baseObject", "ldap.resultCode",
    "ssh.protocol", "ssh.kex.hassh", "ssh.kex.hasshserver",
    "rdp.rt_cookie", "rdp.negReq.requestedProtocols", "rdp.negReq.selectedProtocol",
    "ftp.request.command", "ftp.response.code",
    "pop.request.command", "pop.response.indicator",
    "imap.request.command", "imap.response.status", "imap.request.username",
    "smtp.req.command", "smtp.response.code",
    "rsh.client_username", "rsh.server_username", "rlogin.client_user_name", "rlogin.server_user_name",
    "dhcp.option.dhcp", "dhcp.hw.mac_addr", "dhcp.ip.client", "dhcp.ip.your", "dhcp.ip.relay",
    "dhcp.option.dhcp_server_id", "dhcp.option.router*", "dhcp.option.domain_name_server*", "dhcp.option.hostname",
    "dhcp.option.requested_ip_address",
    "ntp.flags.vn", "ntp.flags.mode", "ntp.stratum", "ntp.priv.reqcode",
    "snmp.version", "snmp.msgVersion", "snmp.data",
)  # fmt: skip
COLUMNS = tuple(Column(name.removesuffix("*"), every=name.endswith("*")) for name in _WANTED)
"""The columns, in the order of a row's cells."""

AT: Mapping[str, int] = {column.field: at for at, column in enumerate(COLUMNS)}
"""Where in a row a field's cell is."""


def number(cell: str, none: int = 0) -> int:
    """Return a cell's number, decimal or hexadecimal (`0x…`), `none` if it holds none."""
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
