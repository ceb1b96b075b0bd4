"""What no list of indicators can mean, though lists name it now and then: what everybody speaks to all day.

Public resolvers, and domains below which both good and bad people live. An indicator that names such a domain as a
whole would match everything below it; one below it (a single host, a URL) is taken as any other.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sentinel.parse.indicators import Term, domain_of

RESOLVERS = frozenset({
    "1.0.0.1", "1.1.1.1", "8.8.4.4", "8.8.8.8", "9.9.9.9", "9.9.9.10", "9.9.9.11", "94.140.14.14", "94.140.15.15",
    "149.112.112.112", "185.253.5.0", "193.110.81.0", "208.67.220.220", "208.67.222.222", "2001:4860:4860::8844",
    "2001:4860:4860::8888", "2606:4700:4700::1001", "2606:4700:4700::1111", "2620:fe::9", "2620:fe::fe",
})  # fmt: skip
DOMAINS = frozenset({
    "akamai.net", "akamaiedge.net", "akamaihd.net", "amazon.com", "amazonaws.com", "apple.com", "azure.com",
    "azureedge.net", "bund.de", "cloudflare.com", "cloudfront.net", "debian.org", "digicert.com", "dropbox.com",
    "fastly.net", "github.com", "githubusercontent.com", "gmail.com", "gmx.de", "gmx.net", "google.com",
    "googleapis.com", "googleusercontent.com", "gstatic.com", "icloud.com", "letsencrypt.org", "linkedin.com",
    "live.com", "microsoft.com", "microsoftonline.com", "mozilla.org", "office.com", "office365.com", "office.net",
    "outlook.com", "sharepoint.com", "t-online.de", "telekom.de", "ubuntu.com", "web.de", "wikipedia.org",
    "windows.com", "windows.net", "windowsupdate.com", "youtube.com", "zoom.us",
})  # fmt: skip

_RESOLVERS = tuple(map(ip_address, RESOLVERS))


class Harmless:
    """What is never taken from a list: the above, and what the city adds (addresses, networks, domains)."""

    def __init__(self, more: tuple[str, ...] = ()) -> None:
        self._domains = DOMAINS | {name for one in more if (name := domain_of(one)) is not None}
        self._networks = [network for one in more if (network := _network(one)) is not None]

    def __contains__(self, one: Term) -> bool:
        """Say whether an indicator is never taken."""
        if one.kind == "domain":
            return one.value in self._domains
        if one.kind != "ip":
            return False
        network = ip_network(one.value)
        if any(network.version == address.version and address in network for address in _RESOLVERS):
            return True
        return any(own.version == network.version and own.overlaps(network) for own in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
