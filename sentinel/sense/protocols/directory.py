"""Who may what: Kerberos (RFC 4120) and LDAP (RFC 4511)."""

from collections.abc import Iterator

from sentinel.sense.applications import Kerberos, Ldap
from sentinel.sense.columns import AT, Cells, number, numbers, values
from sentinel.sense.protocols.common import LIST_MAX, cut, ends
from sentinel.sense.sift import Shown

__all__ = ["kerberos", "ldap"]

_MESSAGES = {10: "AS-REQ", 11: "AS-REP", 12: "TGS-REQ", 13: "TGS-REP", 14: "AP-REQ", 15: "AP-REP", 30: "ERROR"}
_TICKETS = frozenset({11, 13})
_OPERATIONS = (
    "bindRequest", "bindResponse", "unbindRequest", "searchRequest", "searchResEntry", "searchResDone",
    "modifyRequest", "modifyResponse", "addRequest", "addResponse", "delRequest", "delResponse", "modDNRequest",
    "modDNResponse", "compareRequest", "compareResponse", "abandonRequest",
)  # fmt: skip
_MORE_OPERATIONS = {19: "searchResRef", 23: "extendedReq", 24: "extendedResp", 25: "intermediateResponse"}


def kerberos(cells: Cells, shown: Shown) -> Iterator[Kerberos]:
    """Yield the record of a Kerberos message."""
    kind = number(cells[AT["kerberos.msg_type"]])
    if kind not in _MESSAGES:
        return
    # a request with a ticket shows the ticket's service first; an answer the encryption of its parts, its own last
    names = values(cells[AT["kerberos.SNameString"]])
    if kind == 12 and len(names) > 2 and names[0].lower() == "krbtgt":
        names = names[2:]
    etypes = numbers(cells[AT["kerberos.etype"]])
    yield Kerberos(
        **ends(shown),
        message=_MESSAGES[kind],
        user=cut("/".join(values(cells[AT["kerberos.CNameString"]]))),
        realm=cut(cells[AT["kerberos.realm"]]),
        service=cut("/".join(names)),
        etypes=tuple(numbers(cells[AT["kerberos.ENCTYPE"]])[:LIST_MAX]),
        ticket_etype=etypes[-2] if kind in _TICKETS and len(etypes) > 1 else 0,
        error=number(cells[AT["kerberos.error_code"]], -1),
    )


def ldap(cells: Cells, shown: Shown) -> Iterator[Ldap]:
    """Yield the record of the first LDAP message in a packet."""
    cell = cells[AT["ldap.protocolOp"]]
    if not cell:
        return
    kind = number(cell)
    operation = _OPERATIONS[kind] if kind < len(_OPERATIONS) else _MORE_OPERATIONS.get(kind, f"op{kind}")
    user, auth = "", ""
    if kind == 0:
        user = cells[AT["ldap.name"]]
        auth = "sasl" if cells[AT["ldap.authentication"]] != "0" else "simple" if user else "anonymous"
    base = cells[AT["ldap.baseObject"]]
    yield Ldap(
        **ends(shown),
        operation=operation,
        auth=auth,
        user=cut(user),
        base=cut(base),
        result=number(cells[AT["ldap.resultCode"]], -1),
    )
