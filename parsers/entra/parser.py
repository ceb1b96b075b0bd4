"""Microsoft Entra ID (Azure AD): sign-ins, directory audits and risk detections; the activity log of Azure itself.

Read are the objects of Microsoft Graph (`signIn`, `directoryAudit`, `riskDetection`) and the same in the envelope of
Azure Monitor (`time`, `category`, `properties`; also several as `records`). Names without a home in ECS are kept
below `entra.` as the vendor writes them.
https://learn.microsoft.com/graph/api/resources/signin, …/directoryaudit, …/riskdetection
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
"""

from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, common, document, mapping, prose, structured, text, when

RECORDS_MAX = 1_000
_SETTERS = mapping.setters({
    "userId": "user.id",
    "userDisplayName": "user.full_name",
    "location.city": "source.geo.city_name",
    "location.state": "source.geo.region_name",
    "autonomousSystemNumber": "source.as.number",
    "userAgent": "user_agent.original",
    "status.errorCode": "event.code",
    "correlationId": "entra.correlationId",
    "resultReason": "event.reason",
    "tenantId": "organization.id",
    "monitor.tenantId": "organization.id",
    "homeTenantId": "organization.id",
    "loggedByService": "event.provider",
})  # fmt: skip
"""What is taken as it is, by dotted names; the first that says something counts."""
_TAKEN = frozenset({
    "additionalDetails", "autonomousSystemNumber", "correlationId", "createdDateTime", "ipAddress", "loggedByService",
    "resultReason", "targetResources", "userAgent", "userDisplayName", "userId", "userPrincipalName",
})  # fmt: skip
_INTERRUPTED = frozenset({
    "16000", "16001", "50055", "50072", "50074", "50076", "50079", "50097", "50125", "50127", "50129", "50140",
    "50143", "51006", "65001",
})  # fmt: skip
"""Errors by which a sign-in is not refused but asked for more: a second factor, consent, another password.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""
_TYPES = {"add": "creation", "create": "creation", "delete": "deletion", "harddelete": "deletion"}
_AREAS = {"usermanagement": "user", "groupmanagement": "group", "rolemanagement": "admin"}
_ACTIVITIES = frozenset({
    "administrative", "alert", "autoscale", "policy", "recommendation", "resourcehealth", "security", "servicehealth",
})  # fmt: skip
"""Categories of Azure's activity log."""
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_ENDINGS = {"delete": "deletion", "read": "access"}
_OUTCOMES = {"success": "success", "failure": "failure", "timeout": "failure", "clienterror": "failure"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of each object."""
    said = structured.json_object(prose.header(raw).message)
    several = said.get("records")
    found = several[:RECORDS_MAX] if isinstance(several, list) else [said]
    if not found:
        raise ParseError("an envelope without records")
    for one in found:
        if not isinstance(one, dict):
            raise ParseError("a record that is no object")
        yield _event(one)


def _event(said: dict[str, object]) -> Fields:
    inner = said.get("properties")
    if isinstance(inner, dict) and said.get("time"):  # Azure Monitor's envelope
        around = {key: value for key, value in said.items() if key not in {"properties", "category", "time"}}
        said = {"createdDateTime": said["time"], "ipAddress": said.get("callerIpAddress"), **inner,
                "monitor": around | {"category": said.get("category")}}  # fmt: skip
    flat = document.flat(said)
    fields: Fields = {"event.kind": "event", "observer.vendor": "Microsoft", "observer.product": "Entra ID"}
    moment = _said(said, "activityDateTime") or _said(said, "createdDateTime")
    fields["@timestamp"] = when.iso(when.rfc3339(moment))
    for name, setter in _SETTERS.items():
        value = flat.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            setter(fields, str(value))
    fields.update(text.user(_said(said, "userPrincipalName")))
    address, port = common.endpoint(_said(said, "ipAddress"))
    text.put(fields, (("source.ip", address), ("source.port", port)))
    if str(flat.get("monitor.category", "")).lower() in _ACTIVITIES:
        _activity(fields, said)
    elif "riskEventType" in said:
        _risk(fields, said)
    elif "activityDisplayName" in said:
        _audit(fields, said)
    elif "status" in said or "appDisplayName" in said:
        _signin(fields, said, flat)
    else:
        text.put(fields, [("event.action", str(flat.get("monitor.operationName", "")))])
    fields.update(document.below("entra", {key: value for key, value in said.items() if key not in _TAKEN}))
    return fields


def _said(said: object, key: str) -> str:
    value = said.get(key) if isinstance(said, dict) else None
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _activity(fields: Fields, said: Mapping[str, object]) -> None:
    around = said.get("monitor")
    operation, identity = _said(around, "operationName"), around.get("identity") if isinstance(around, dict) else None
    kind = _ENDINGS.get(operation.lower().rpartition("/")[2], "change")
    text.put(
        fields,
        (
            ("event.dataset", "entra.activity"),
            ("event.action", operation),
            ("event.category", ("configuration",)),
            ("event.type", (kind,)),
            ("event.outcome", _OUTCOMES.get(_said(around, "resultType").lower())),
            ("message", operation),
        ),
    )
    claims = identity.get("claims") if isinstance(identity, dict) else None
    fields.update(text.user(_said(claims, f"{_CLAIMS}upn") or _said(claims, f"{_CLAIMS}name")))
    fields["observer.product"] = "Azure"


def _signin(fields: Fields, said: Mapping[str, object], flat: Mapping[str, object]) -> None:
    code, reason = str(flat.get("status.errorCode", "")), str(flat.get("status.failureReason", ""))
    outcome = "success" if code == "0" else "unknown" if code in _INTERRUPTED else "failure"
    country = str(flat.get("location.countryOrRegion", ""))
    text.put(
        fields,
        (
            ("event.dataset", "entra.signin"),
            ("event.action", "sign-in"),
            ("event.category", ("authentication",)),
            ("event.type", ("start",)),
            ("event.outcome", outcome if code else ""),
            ("event.reason", "" if reason == "Other." else reason),
            ("source.geo.country_iso_code", country if len(country) == 2 and country.isupper() else ""),
            ("message", f"sign-in to {_said(said, 'appDisplayName')}".removesuffix(" to ")),
        ),
    )
    principal = _said(said, "servicePrincipalName")
    if principal and "user.name" not in fields:
        text.put(fields, (("user.name", principal), ("user.id", _said(said, "servicePrincipalId"))))


def _audit(fields: Fields, said: Mapping[str, object]) -> None:
    activity, area = _said(said, "activityDisplayName"), _said(said, "category").lower()
    kind = _TYPES.get(_said(said, "operationType").lower(), "change")
    iam = area in _AREAS
    text.put(
        fields,
        (
            ("event.dataset", "entra.audit"),
            ("event.action", activity),
            ("event.category", ("iam",) if iam else ("configuration",)),
            ("event.type", (_AREAS[area], kind) if iam else (kind,)),
            ("event.outcome", _OUTCOMES.get(_said(said, "result").lower())),
            ("message", activity),
        ),
    )
    by = said.get("initiatedBy")
    user, app = (by.get("user"), by.get("app")) if isinstance(by, dict) else (None, None)
    if isinstance(user, dict):
        address, port = common.endpoint(_said(user, "ipAddress"))
        text.put(fields, (("user.id", _said(user, "id")), ("source.ip", address), ("source.port", port)))
        fields.update(text.user(_said(user, "userPrincipalName")))
    elif isinstance(app, dict):
        name = _said(app, "displayName") or _said(app, "servicePrincipalName")
        text.put(fields, (("user.name", name), ("user.id", _said(app, "servicePrincipalId"))))
    _targets(fields, said)
    for pair in _objects(said, "additionalDetails"):
        name, value = _said(pair, "key"), _said(pair, "value")
        if name.lower() in {"user-agent", "useragent"}:
            text.put(fields, [("user_agent.original", value)])
        elif name:
            fields.update(document.below("entra.additionalDetails", {name: value}))


def _targets(fields: Fields, said: Mapping[str, object]) -> None:
    for target in _objects(said, "targetResources"):
        kind, name = _said(target, "type").lower(), _said(target, "displayName")
        if kind == "user" and "user.target.id" not in fields:
            text.put(fields, (("user.target.id", _said(target, "id")), ("user.target.full_name", name)))
            fields.update(text.user(_said(target, "userPrincipalName"), "user.target"))
        elif kind == "group" and "group.id" not in fields:
            text.put(fields, (("group.id", _said(target, "id")), ("group.name", name)))
        elif kind == "role" and name:
            fields["user.target.roles"] = (name,)
        properties = _objects(target, "modifiedProperties")
        changed = {_said(one, "displayName"): _plain(one.get("newValue")) for one in properties}
        changed.pop("", None)
        role = changed.get("Role.DisplayName", "")
        text.put(fields, [("user.target.roles", (role,) if role else ())])
        if "group.name" not in fields:
            text.put(fields, [("group.name", changed.get("Group.DisplayName", ""))])
        fields.update(document.below("entra.changed", changed))
        plain = {key: value for key, value in target.items() if key != "modifiedProperties"}
        fields.update(
            document.below(f"entra.targetResources.{kind if kind.isascii() and kind.isalpha() else 'other'}", plain)
        )


def _plain(value: object) -> str:
    return value.strip().strip('"') if isinstance(value, str) else ""


def _objects(said: Mapping[str, object], key: str) -> list[dict[str, object]]:
    value = said.get(key)
    return [one for one in value[:RECORDS_MAX] if isinstance(one, dict)] if isinstance(value, list) else []


def _risk(fields: Fields, said: Mapping[str, object]) -> None:
    risk = _said(said, "riskEventType")
    text.put(
        fields,
        (
            ("event.dataset", "entra.risk"),
            ("event.kind", "alert"),
            ("event.category", ("intrusion_detection",)),
            ("event.type", ("info",)),
            ("event.action", risk),
            ("rule.name", risk),
            ("message", f"risk {risk}, level {_said(said, 'riskLevel')}"),
        ),
    )
