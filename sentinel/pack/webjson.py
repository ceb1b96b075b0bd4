"""Access logs in JSON: every operator names the columns, so the names that are usual are read, the rest is kept.

The names are those of nginx's variables, of Apache's and Envoy's examples and of what CDNs write; nested objects count
under dotted names. Hyphens and blanks count as `_`.
"""

from collections.abc import Mapping
from datetime import datetime

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Scalar, Value
from sentinel.pack import document, text, weblog, when

_KEYS = {
    "time": ("start_time", "time_iso8601", "@timestamp", "timestamp", "time_local", "time", "ts", "msec", "date_time",
             "datetime", "date", "requesttime", "request_start"),
    "address": ("remote_addr", "client_ip", "clientip", "remote_ip", "remoteip", "remoteaddr", "client", "client_addr",
                "downstream_remote_address", "remotehost", "remote_host", "source_ip", "src_ip", "source.ip", "ip",
                "client.ip", "realip_remote_addr", "http_x_real_ip", "x_real_ip"),
    "port": ("remote_port", "client_port", "source.port", "client.port"),
    "user": ("remote_user", "user", "auth_user", "remoteuser", "username", "user.name"),
    "request": ("request", "request_line", "requestline", "first_line"),
    "method": ("request_method", "method", "http_method", "verb", "http.request.method", "requestmethod", "req_method"),
    "target": ("request_uri", "x_envoy_origin_path", "x_envoy_original_path", "uri", "url", "path", "request_url",
               "url.original", "requesturi", "uri_path", "request_path"),
    "query": ("args", "query_string", "query", "uri_query"),
    "protocol": ("server_protocol", "protocol", "request_protocol", "http_version", "http.version", "requestprotocol"),
    "status": ("status", "response_code", "response_status", "status_code", "statuscode", "http_status", "code",
               "response.status", "http.response.status_code", "upstream_status"),
    "body": ("body_bytes_sent", "response_body_size", "bytes", "size", "body_bytes", "http.response.body.bytes"),
    "sent": ("bytes_sent", "response_size", "response_length", "http.response.bytes"),
    "received": ("request_length", "bytes_received", "request_size", "bytes_in", "http.request.bytes"),
    "taken": ("request_time", "response_time", "requesttime_s"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer", "request_referer", "http.request.referrer"),
    "agent": ("http_user_agent", "user_agent", "useragent", "agent", "request_user_agent", "user_agent.original"),
    "forwarded": ("http_x_forwarded_for", "x_forwarded_for", "xff", "proxy_add_x_forwarded_for", "forwarded_for"),
    "host": ("http_host", "host", ":authority", "authority", "server_name", "vhost", "virtual_host", "domain",
             "url.domain", "requested_host", "request_host"),
    "id": ("request_id", "x_request_id", "req_id", "unique_id", "requestid", "reqid", "http.request.id"),
    "scheme": ("scheme", "url.scheme", "http_scheme", "x_forwarded_proto"),
    "tls": ("ssl_protocol", "tls_version", "tls_protocol", "ssl_version"),
    "cipher": ("ssl_cipher", "tls_cipher"),
    "sni": ("ssl_server_name", "requested_server_name", "tls_sni"),
}  # fmt: skip
_ROLES = {key: (role, rank) for role, keys in _KEYS.items() for rank, key in enumerate(keys)}
_LEVELS = frozenset({"level", "msg", "severity", "log_level"})


def fill(fields: Fields, found: Mapping[str, object], zone: str, below: str) -> None:
    """Set what one JSON access log record says; names that mean nothing here go `below` (a pack's own name space).

    Raises ParseError if neither a request nor an answer's status is among them.
    """
    roles: dict[str, str] = {}
    ranks: dict[str, int] = {}
    left: dict[str, str] = {}
    for name, value in document.flat(found).items():
        key = name.lower().replace("-", "_").replace(" ", "_")
        role, rank = _ROLES.get(key, ("", 0))
        said = _text(value)
        if said in {"", "-"}:
            continue
        if role and rank < ranks.get(role, 99):
            roles[role], ranks[role] = said, rank
        elif not role and len(left) < 100:
            left[below + "".join(sign if sign.isalnum() or sign in "._" else "_" for sign in key)[:100]] = said
    if not roles.keys() & {"request", "target"} or not roles.keys() & {"status", "method", "request"}:
        raise ParseError("JSON without a request and what was answered")
    _fill(fields, roles, zone)
    for name, said in left.items():
        fields.setdefault(name, said)


def _fill(fields: Fields, roles: Mapping[str, str], zone: str) -> None:
    host, colon, port = roles.get("host", "").rpartition(":")
    host = host if colon and port.isdecimal() else roles.get("host", "")
    text.put(fields, [("url.domain", host.strip("[]")), ("url.scheme", roles.get("scheme"))])
    if "request" in roles and " " in roles["request"]:
        weblog.request(fields, roles["request"])
    else:
        target, query = roles.get("target") or roles.get("request", ""), roles.get("query")
        target += f"?{query.removeprefix('?')}" if query and "?" not in target else ""
        weblog.url(fields, target, roles.get("method", ""))
        text.put(fields, [("http.request.method", roles.get("method"))])
        protocol = roles.get("protocol", "")
        text.put(fields, [("http.version", protocol[5:] if protocol.startswith("HTTP/") else None)])
    weblog.answer(fields, roles.get("status"), roles.get("body"))
    weblog.said(fields, roles.get("referrer"), roles.get("agent"))
    if "address" in roles and not weblog.client(fields, roles["address"]):
        fields["source.domain"] = roles["address"]
    weblog.forwarded(fields, roles.get("forwarded", ""))
    weblog.user(fields, roles.get("user"))
    tls = roles.get("tls", "")
    pairs: list[tuple[str, Value | None]] = [
        ("source.port", text.port(roles.get("port"))),
        ("http.response.bytes", text.number(roles.get("sent"))),
        ("http.request.bytes", text.number(roles.get("received"))),
        ("event.duration", weblog.seconds(roles.get("taken"))),
        ("http.request.id", roles.get("id")),
        ("tls.version", tls[4:] if tls.startswith("TLSv") else None),
        ("tls.cipher", roles.get("cipher")),
        ("tls.client.server_name", roles.get("sni")),
    ]
    text.put(fields, pairs)
    if "time" in roles:
        moment = _moment(roles["time"], zone)
        text.put(fields, [("@timestamp", when.iso(moment) if moment else None)])


def _moment(value: str, zone: str) -> datetime | None:
    try:
        if value[:1] != "[" and "/" not in value[:3]:
            return when.epoch(value) if value.replace(".", "", 1).isdecimal() else when.rfc3339(value, zone)
        return when.clf(value.strip("[]"), zone)
    except ParseError:
        return None


def _text(value: Value) -> str:
    one: Scalar = value[0] if isinstance(value, tuple) else value
    return str(one).lower() if isinstance(one, bool) else str(one)
