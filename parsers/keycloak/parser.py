"""Reads Keycloak's events (JBossLoggingEventListenerProvider: `type=…, realmId=…, ipAddress=…`), quoted or not.

Also its log as JSON (`--log-console-output=json`), events as JSON objects, and every other line of the server. Of a
name given twice the first counts: Keycloak writes the address before anything that a stranger may choose.
"""

import re
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, Value, document, names, prose, stamps, structured, syslog, text, when

MESSAGE_MAX = 8_192
_HEAD = re.compile(
    r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +\[(?P<logger>[^\]\s]{1,200})\] \([^()]{1,200}\) (?P<said>.*)",
    re.DOTALL,
)
_PAIR = re.compile(r"(?:^|(?<=, ))(\w{1,64})=(?:\"((?:[^\"\\]|\\.)*)\"|([^,\n]*))(?=, \w+=|\s*$)")
_PLACES = {
    "ipAddress": "source.ip", "error": "event.reason", "clientId": "keycloak.client_id", "realmId": "keycloak.realm_id",
    "realmName": "keycloak.realm", "userId": "user.id", "redirect_uri": "keycloak.redirect_uri",
    "auth_method": "keycloak.auth_method", "auth_type": "keycloak.auth_type", "code_id": "keycloak.code_id",
    "sessionId": "keycloak.session_id", "resourceType": "keycloak.resource_type",
    "resourcePath": "keycloak.resource_path", "identity_provider": "keycloak.identity_provider", "email": "user.email",
    "grant_type": "keycloak.grant_type", "reason": "keycloak.reason", "response_type": "keycloak.response_type",
}  # fmt: skip
_IAM = {
    "REGISTER": "user creation", "UPDATE_PASSWORD": "user change", "RESET_PASSWORD": "user change",
    "SEND_RESET_PASSWORD": "user info", "UPDATE_PROFILE": "user change", "UPDATE_EMAIL": "user change",
    "VERIFY_EMAIL": "user info", "UPDATE_TOTP": "user change", "REMOVE_TOTP": "user change",
    "DELETE_ACCOUNT": "user deletion", "UPDATE_CREDENTIAL": "user change", "REMOVE_CREDENTIAL": "user change",
    "USER_DISABLED_BY_PERMANENT_LOCKOUT": "user change", "USER_DISABLED_BY_TEMPORARY_LOCKOUT": "user change",
    "UPDATE_CONSENT": "user change", "REMOVE_FEDERATED_IDENTITY": "user change", "VERIFY_PROFILE": "user info",
    "IDENTITY_PROVIDER_LINK_ACCOUNT": "user change", "CLIENT_INITIATED_ACCOUNT_LINKING": "user change",
    "SEND_VERIFY_EMAIL": "user info", "SEND_IDENTITY_PROVIDER_LINK": "user info", "CUSTOM_REQUIRED_ACTION": "user info",
    "EXECUTE_ACTIONS": "user info", "EXECUTE_ACTION_TOKEN": "user info", "INVITE_ORG": "user info",
    "GRANT_CONSENT": "user change", "REVOKE_GRANT": "user change", "FEDERATED_IDENTITY_LINK": "user change",
}  # fmt: skip
# what is neither of an account nor a login; other types are of tokens, that is of a session
_REST = {
    "LOGOUT": "authentication|end", "USER_SESSION_DELETED": "session|end", "INVALID_SIGNATURE": "authentication|error",
    "RESTART_AUTHENTICATION": "authentication|info", "IDENTITY_PROVIDER_RESPONSE": "authentication|info",
    "OAUTH2_DEVICE_VERIFY_USER_CODE": "authentication|info", "CLIENT_REGISTER": "configuration|creation",
    "CLIENT_UPDATE": "configuration|change", "CLIENT_DELETE": "configuration|deletion",
    "CLIENT_INFO": "configuration|access", "REGISTER_NODE": "configuration|creation",
    "UNREGISTER_NODE": "configuration|deletion",
}  # fmt: skip
_PEOPLE = re.compile(r"USER|USER_LOGIN_FAILURE|.*ROLE.*|GROUP.*|ORGANIZATION_MEMBERSHIP")
_TARGET = re.compile(r"(users|groups)/([0-9a-zA-Z-]{1,64})(?=/|$)")
_LOGINS = frozenset({
    "IDENTITY_PROVIDER_POST_LOGIN",
    "LOGIN", "CLIENT_LOGIN", "IDENTITY_PROVIDER_LOGIN", "IDENTITY_PROVIDER_FIRST_LOGIN", "IMPERSONATE",
    "OAUTH2_DEVICE_AUTH", "AUTHREQID_TO_TOKEN",
})  # fmt: skip
_OPERATIONS = {"CREATE": "creation", "UPDATE": "change", "DELETE": "deletion", "ACTION": "change"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = prose.header(raw)
    fields = syslog.fields(line)
    fields |= {"observer.vendor": "Keycloak", "observer.product": "Keycloak", "event.kind": "event"}
    message = prose.plain(line.message[:MESSAGE_MAX]).strip()
    known = line.app is not None or message.startswith("{")
    if message.startswith("{"):
        fields.pop("message", None)
        message = _object(structured.json_object(message), fields, raw)
    elif stamp := stamps.find(message, raw.received, raw.zone, 2):
        fields["@timestamp"] = when.iso(stamp.moment)
        message, known = message[stamp.end :].lstrip(" :"), True
    if head := _HEAD.fullmatch(message):
        fields["log.level"], fields["log.logger"], message = head["level"].lower(), head["logger"], head["said"]
    if message:
        fields["message"] = message
    pairs: dict[str, str] = {}
    for name, quoted, bare in _PAIR.findall(message):
        pairs.setdefault(name, quoted or bare.strip())
    if "type" in pairs or "operationType" in pairs:
        _event(fields, pairs)
    elif not known:
        raise ParseError("neither a time nor an event of Keycloak")
    yield fields


def _object(said: dict[str, object], fields: Fields, raw: Raw) -> str:
    flat = document.flat(said)
    moment = flat.get("timestamp") or flat.get("@timestamp") or flat.get("time")
    if isinstance(moment, int | float) and not isinstance(moment, bool):
        fields["@timestamp"] = when.iso(when.epoch(moment))
    elif isinstance(moment, str) and (stamp := stamps.find(moment, raw.received, raw.zone, 1)):
        fields["@timestamp"] = when.iso(stamp.moment)
    text.put(fields, [
        ("log.level", str(flat.get("level", "")).lower()), ("log.logger", str(flat.get("loggerName", ""))),
        ("host.name", str(flat.get("hostName", ""))), ("process.executable", str(flat.get("processName", ""))),
        ("process.pid", text.number(str(flat.get("processId", "")))),
    ])  # fmt: skip
    if "type" in flat or "operationType" in flat:
        _event(fields, _flattened(flat))
    return str(flat.get("message", ""))


def _flattened(flat: Mapping[str, Value]) -> dict[str, str]:
    named = {name.removeprefix("details.").removeprefix("authDetails."): str(value) for name, value in flat.items()}
    return named | {name: str(value) for name, value in flat.items() if "." not in name}


def _event(fields: Fields, pairs: Mapping[str, str]) -> None:
    for name, place in _PLACES.items():
        value = text.given(pairs.get(name))
        if value is not None:
            text.put(fields, [(place, text.address(value) if place == "source.ip" else value)])
    name = text.given(pairs.get("username"))
    if name is not None:
        names.account(fields, "user", name)
    operation, kind = pairs.get("operationType", ""), pairs.get("type", "")
    if operation:
        about = pairs.get("resourceType", "")
        iam = _PEOPLE.fullmatch(about) is not None
        if target := _TARGET.match(pairs.get("resourcePath", "")):
            fields["user.target.id" if target[1] == "users" else "group.id"] = target[2]
        if about == "USER_SESSION" and operation == "DELETE":
            _put(fields, f"{operation} {about}", "session", "end", "failure" if "error" in pairs else "success")
            return
        what = " group" if "GROUP" in about else " user" if iam else ""
        _put(fields, f"{operation} {about}".strip(), "iam" if iam else "configuration",
             _OPERATIONS.get(operation, "change") + what, "failure" if "error" in pairs else "success")  # fmt: skip
        return
    failed = kind.endswith("_ERROR") or text.given(pairs.get("error")) is not None
    base, outcome = kind.removesuffix("_ERROR"), "failure" if failed else "success"
    if base in _LOGINS:
        _put(fields, kind, "authentication", "start", outcome)
    elif base in _REST:
        category, _, types = _REST[base].partition("|")
        _put(fields, kind, category, types, "failure" if base == "INVALID_SIGNATURE" else outcome)
    elif base in _IAM:
        _put(fields, kind, "iam", _IAM[base], outcome)
    else:
        _put(fields, kind, "session", "info", outcome)


def _put(fields: Fields, action: str, category: str, types: str, outcome: str) -> None:
    fields["event.category"], fields["event.type"] = (category,), tuple(types.split())
    fields["event.outcome"] = outcome
    text.put(fields, [("event.action", action)])
