"""What DHCP servers say about leases, in ECS: the client is the source, by its address, its MAC and its name."""

from sentinel.core.event import Fields
from sentinel.pack import text

_KINDS: dict[str, tuple[str, str]] = {
    "discover": ("start", ""), "solicit": ("start", ""), "offer": ("info", "success"), "advertise": ("info", "success"),
    "request": ("info", ""), "renew": ("info", ""), "rebind": ("info", ""), "confirm": ("info", ""),
    "ack": ("allowed", "success"), "reply": ("allowed", "success"), "nak": ("denied", "failure"),
    "decline": ("denied", "failure"), "release": ("end", "success"), "expire": ("end", "success"),
    "renewed": ("allowed", "success"), "reuse": ("allowed", "success"), "deleted": ("end", "success"),
    "inform": ("info", ""), "conflict": ("info", "failure"), "exhausted": ("denied", "failure"),
}  # fmt: skip


def lease(
    fields: Fields, kind: str, address: str | None = None, mac: str | None = None, name: str | None = None
) -> None:
    """Set what a message of `kind` (`discover`, `ack`, `nak`, `expire` …) means, and whose it is.

    `address` is the client's as it is told in the message, `mac` its hardware address in any writing, `name` what the
    client calls itself.
    """
    further, outcome = _KINDS.get(kind, ("info", ""))
    fields["event.kind"], fields["event.category"], fields["event.action"] = "event", ("network",), f"dhcp_{kind}"
    fields["event.type"] = ("connection", "protocol", further)
    fields["network.protocol"] = "dhcp"
    text.put(fields, [
        ("event.outcome", outcome), ("source.ip", text.address(address)), ("source.mac", text.mac(mac)),
        ("source.domain", text.given(name)),
    ])  # fmt: skip
