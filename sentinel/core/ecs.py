"""Which fields exist and of which type: ECS 9.4 and Sentinel's own name spaces.

`ecs.tsv` beside this module lists name and type of the Elastic Common Schema's fields
(https://www.elastic.co/docs/reference/ecs, Apache-2.0), `[]` behind the type for fields that hold several values.
"""

from functools import cache
from importlib.resources import files
from typing import Literal, cast

Type = Literal["keyword", "long", "float", "boolean", "date", "ip"]
"""How a field behaves: every text type of ECS is `keyword` here; dates are RFC 3339 text in UTC (`clock.iso`)."""

VERSION = "9.4.0"
OWN_PREFIXES = (
    "adguardhome.", "amavis.", "apache.", "asterisk.", "auditd.", "barracuda.", "bind.", "caddy.", "cef.",
    "checkpoint.", "cisco.", "clamav.", "databases.", "defender.", "dhcp.", "dnsmasq.", "dovecot.", "entra.",
    "esxi.", "exchange.", "exim.", "fortimail.", "fortinet.", "ftp.", "haproxy.", "honeypot.", "iis.", "juniper.",
    "keycloak.", "labels.", "leef.", "m365.", "mailscanner.", "mikrotik.", "mimecast.", "modsecurity.", "netfilter.",
    "netflow.", "nextcloud.", "nginx.", "openvpn.", "osquery.", "panw.", "pf.", "pfsense.", "postfix.",
    "proofpoint.", "proxmox.", "rspamd.", "samba.", "sendmail.", "sensor.", "sentinel.", "sonicwall.", "sophos.",
    "spamassassin.", "squid.", "sshd.", "stormshield.", "strongswan.", "suricata.", "threat.enrichments.",
    "traefik.", "unbound.", "unifi.", "watchguard.", "web.", "windows_dns.", "winlog.", "wireguard.", "zeek.",
    "zimbra.",
)  # fmt: skip
"""Name spaces of ours and of vendors, outside ECS: any name below them is a `keyword` unless OWN says otherwise."""

OWN: dict[str, Type] = {
    "log.source.address": "keyword",
    "sensor.packets_with_data": "long",
    "sensor.syn": "long",
    "sensor.rst": "long",
    "sensor.frame": "long",
    "sensor.packets": "long",
    "sensor.packets_not_ip": "long",
    "sensor.flows": "long",
    "sensor.flows_evicted": "long",
    "sensor.icmp.type": "long",
    "sensor.icmp.code": "long",
    "sensor.icmp.size": "long",
    "sensor.packets_shown": "long",
    "sensor.packets_missed": "long",
    "sensor.packets_dropped": "long",
    "sensor.restarts": "long",
    "sensor.smb.version": "long",
    "sensor.smb.status": "long",
    "sensor.dcerpc.operation": "long",
    "sensor.dhcpv6.status": "long",
    "sensor.kerberos.ticket_etype": "long",
    "sensor.kerberos.error": "long",
    "sensor.ldap.result": "long",
    "sensor.rdp.requested": "long",
    "sensor.rdp.chosen": "long",
    "sensor.ftp.code": "long",
    "sensor.ntp.version": "long",
    "sensor.ntp.mode": "long",
    "sensor.ntp.stratum": "long",
    "sensor.ntp.request": "long",
    "sensor.snmp.version": "long",
    "sensor.heartbeat.claimed": "long",
    "sensor.heartbeat.length": "long",
    "sensor.finding.count": "long",
    "winlog.record_id": "long",
    "exchange.size": "long",
    "amavis.score": "float",
    "rspamd.score": "float",
    "rspamd.required": "float",
    "spamassassin.score": "float",
    "spamassassin.required": "float",
    "mailscanner.score": "float",
    "mailscanner.required": "float",
    "sentinel.joined": "long",
    "netflow.version": "long",
    "netflow.domain": "long",
    "netflow.sequence": "long",
    "netflow.template": "long",
    "netflow.tos": "long",
    "netflow.flow_id": "long",
    "netflow.icmp.type": "long",
    "netflow.icmp.code": "long",
    "netflow.sampling.interval": "float",
    "netflow.exported.flows": "long",
    "netflow.exported.messages": "long",
    "netflow.exported.bytes": "long",
    "netflow.observed.flows": "long",
    "netflow.ignored.packets": "long",
    "netflow.ignored.bytes": "long",
    "netflow.not_sent.flows": "long",
    "netflow.not_sent.packets": "long",
    "netflow.not_sent.bytes": "long",
    "sentinel.notice.count": "long",
    "sentinel.source_asset.site": "keyword",  # listed, for sites are counted by
    "sentinel.host_asset.site": "keyword",
    "sentinel.odd.sites": "long",
    "sentinel.odd.peers": "long",
    "sentinel.odd.hours": "long",
    "sentinel.odd.closed_hours": "long",
    "sentinel.odd.devices": "long",
    "sentinel.spool.seq": "long",
}
_ASSET = ("name", "segment", "site", "owner", "criticality", "calendar")
_PLACE = (
    "geo.continent_code", "geo.country_iso_code", "geo.country_name", "geo.region_iso_code", "geo.region_name",
    "geo.city_name", "as.number", "as.organization.name",
)  # fmt: skip
ENRICHED = frozenset((
    *(f"sentinel.{side}_asset.{name}" for side in ("source", "destination", "host", "observer", "sender")
      for name in _ASSET),
    "sentinel.calendar.name", "sentinel.calendar.state", "sentinel.calendar.reason",
    *(f"{side}.{name}" for side in ("source", "destination") for name in _PLACE),
    "threat.enrichments.matched.atomic", "threat.enrichments.matched.field", "threat.feed.name",
    "threat.indicator.confidence", "threat.indicator.description", "threat.indicator.email.address",
    "threat.indicator.id", "threat.indicator.ip",
    "threat.indicator.name", "threat.indicator.type", "threat.indicator.url.domain", "threat.indicator.url.full",
    *(f"threat.indicator.file.hash.{name}" for name in ("md5", "sha1", "sha256", "sha384", "sha512")),
))  # fmt: skip
"""What is added to events from the inventory and the calendar, from GeoIP files and from lists of indicators.

`threat.enrichments.*` are ECS's names; as its list of objects is flat here, each holds the values of all matches.
"""
_NARROW: dict[str, Type] = {
    "constant_keyword": "keyword", "match_only_text": "keyword", "text": "keyword", "wildcard": "keyword",
    "scaled_float": "float", "flattened": "keyword", "object": "keyword", "nested": "keyword", "geo_point": "keyword",
}  # fmt: skip


@cache
def table() -> dict[str, tuple[Type, bool]]:
    """Return every listed field with its type and whether ECS wants several values in it."""
    known: dict[str, tuple[Type, bool]] = {}
    for line in (files("sentinel.core") / "ecs.tsv").read_text("utf-8").splitlines():
        name, kind = line.split("\t")
        base = kind.removesuffix("[]")
        known[name] = (_NARROW.get(base, cast("Type", base)), kind.endswith("[]"))
    known.update({name: (kind, False) for name, kind in OWN.items()})
    return known


@cache
def type_of(field: str) -> Type | None:
    """Return the field's type, None if there is no such field."""
    listed = table().get(field)
    if listed is not None:
        return listed[0]
    return "keyword" if field.startswith(OWN_PREFIXES) else None


def several(field: str) -> bool:
    """Say whether ECS wants the field to hold a list."""
    listed = table().get(field)
    return listed is not None and listed[1]
