"""Microsoft 365's unified audit records, as the Management Activity API, Search-UnifiedAuditLog and Purview give them.

A record's own time is UTC, whatever the source's zone says. Names without a home in ECS are kept below `m365.` as the
vendor writes them; lists of name and value become `m365.Parameters.<name>` and the like. Message traces are read too:
https://learn.microsoft.com/exchange/monitoring/trace-an-email-message/message-trace-modern-eac
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    Value,
    common,
    document,
    mapping,
    names,
    prose,
    structured,
    text,
    when,
)

_PAIRS = ("Parameters", "ExtendedProperties", "DeviceProperties", "OperationProperties", "ModifiedProperties")
_LISTED = ("Parameters", "OperationProperties")  # rules ask whether any name or value occurs in these
_TAKEN = frozenset({
    *_PAIRS, "AuditData", "ActorIpAddress", "ClientIP", "ClientIPAddress", "CreationTime", "LogonError",
    "OrganizationId", "OrganizationName", "RecordType", "SourceFileExtension", "SourceFileName",
    "UserAgent", "UserId", "UserKey", "Workload",
})  # fmt: skip
_ADDRESSES = ("ClientIP", "ClientIPAddress", "ActorIpAddress", "UserIp", "SenderIp")
_SETTERS = mapping.setters(
    {
        "RecordType": "event.code",
        "Workload": "event.provider",
        "LogonError": "event.reason",
        "OrganizationId": "organization.id",
        "OrganizationName": "organization.name",
        "ClientProcessName": "process.name",
        "SourceFileName": "file.name",
        "SourceFileExtension": "file.extension",
        "SourceRelativeUrl": "file.directory",
        "FileSizeBytes": "file.size",
        "FileData.FileName": "file.name",
        "FileData.FileSize": "file.size",
        "FileData.SHA256": "file.hash.sha256",
        "SharePointMetaData.FileName": "file.name",
        "SharePointMetaData.FileOwner": "file.owner",
        "TeamName": "group.name",
        "TeamGuid": "group.id",
        "Item.Subject": "email.subject",
        "ExchangeMetaData.Subject": "email.subject",
        "SendOnBehalfOfUserSmtp": "text email.from.address",
        "SendAsUserSmtp": "text email.from.address",
        "ExchangeMetaData.From": "text email.from.address",
        "P1Sender": "text email.from.address",
        "P2Sender": "text email.from.address",
    }
)
"""What is taken as it is, by dotted names; the first that says something counts, of senders the last."""
_MESSAGE_IDS = ("Item.InternetMessageId", "ExchangeMetaData.MessageID", "InternetMessageId")
_URLS = ("ObjectId", "SharePointMetaData.FilePathUrl", "Url")
_NOBODY = frozenset({"not available", "unknown", "n/a", "securitycompliancealerts", "dlppolicyengine", ""})
_OUTCOMES = {
    "success": "success", "succeeded": "success", "true": "success", "partiallysucceeded": "success",
    "failed": "failure", "failure": "failure", "fail": "failure", "false": "failure",
}  # fmt: skip
_USER_TYPES = (
    "Regular", "Reserved", "Admin", "DcAdmin", "System", "Application", "ServicePrincipal", "CustomPolicy",
    "SystemPolicy", "PartnerTechnician", "Guest",
)  # fmt: skip
_LOGON_TYPES = ("Owner", "Admin", "Delegated", "Transport", "SystemService", "BestAccess", "DelegatedAdmin")

Kind = tuple[tuple[str, ...], tuple[str, ...]]
_LOGIN: Kind = (("authentication",), ("start",))
_LOGINS = frozenset({"UserLoggedIn", "UserLoginFailed", "MailboxLogin", "SignInEvent"})
_MAIL: Kind = (("email",), ("info",))
_MAILBOX = frozenset({
    "MailItemsAccessed", "Send", "SendAs", "SendOnBehalf", "HardDelete", "SoftDelete", "MoveToDeletedItems", "Move",
    "Copy", "Create", "Update", "MessageBind", "FolderBind", "SearchQueryInitiatedExchange",
    "TIMailData",
})  # fmt: skip
_TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "operations.toml").read_text("utf-8"))
_VERBS_OF = {word: kind for kind, words in _TABLES["verbs"].items() for word in words.split()}
_NOUNS = [(category, re.compile(words)) for category, words in _TABLES["nouns"].items()]
_WORD = re.compile(r"[A-Z][a-z]+|[A-Z]+(?![a-z])|[a-z]+")
_ALERTS = (
    "FileMalwareDetected",
    "AirInvestigation",
    "SupervisionRuleMatch",
    "DlpRuleMatch",
    "TIMailData",
    "TIUrlClickData",
    "AtpDetection",
    "Alert",
)
_FILES = (
    (re.compile(r"Deleted|Recycled"), "deletion"),
    (re.compile(r"Uploaded|Created|Copied"), "creation"),
    (re.compile(r"Accessed|Viewed|Previewed|Downloaded"), "access"),
)
_SHARING = re.compile(r"(?:Sharing|AnonymousLink|CompanyLink|SecureLink|AddedToSecureLink|RemovedFromSecureLink)")
_ADMIN = re.compile(r"([A-Z][a-z]{1,15})-([A-Z][A-Za-z]{1,60})")
_VERBS = {"New": "creation", "Add": "creation", "Remove": "deletion", "Get": "access", "Test": "access",
          "Search": "access", "Export": "access"}  # fmt: skip
_DIRECTORY = re.compile(
    r"(?i)\b(?:user|group|member|owner|role|password|credential|principal|consent|oauth2|app role|application|device"
    r"|license|strong authentication|certificates and secrets)"
)
_VERBS_DIRECTORY = {
    "add": "creation",
    "create": "creation",
    "delete": "deletion",
    "hard": "deletion",
    "remove": "deletion",
}
_FORWARDS = ("ForwardTo", "RedirectTo", "ForwardAsAttachmentTo", "ForwardingSmtpAddress", "ForwardingAddress")
_MAIL_ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_TRACED = {"delivered": "success", "expanded": "success", "resolved": "success", "failed": "failure",
           "quarantined": "failure", "filteredasspam": "failure"}  # fmt: skip
_TRACE = mapping.setters({
    "senderaddress": "text email.from.address", "recipientaddress": "text email.to.address",
    "subject": "email.subject", "messagetraceid": "email.local_id", "id": "email.local_id", "fromip": "source.ip",
    "toip": "destination.ip", "organization": "organization.name", "status": "m365.Status", "size": "m365.Size",
})  # fmt: skip
_JSON_DATE = re.compile(r"/Date\((\d{1,17})\)/")
VALUE_MAX = 4_000


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of one record."""
    said = structured.json_object(prose.header(raw).message)
    exported = said.get("AuditData")
    if isinstance(exported, str):
        said = structured.json_object(exported)
    elif isinstance(exported, dict):
        said = exported
    if _said(said, "Operation") and _said(said, "CreationTime"):
        yield _audit(said)
    elif _said(said, "SenderAddress", "senderAddress") or _said(said, "RecipientAddress", "recipientAddress"):
        yield _traced(said)
    else:
        raise ParseError("neither an audit record nor a message trace")


def _said(said: object, *keys: str) -> str:
    """Return the first of these that says something, as text."""
    for key in keys:
        value = said.get(key) if isinstance(said, dict) else None
        if isinstance(value, str | int | float) and value not in {"", "<null>"}:
            return str(value).strip()
    return ""


def _objects(said: Mapping[str, object], key: str) -> list[dict[str, object]]:
    value = said.get(key)
    return [one for one in value[:1000] if isinstance(one, dict)] if isinstance(value, list) else []


def _audit(said: Mapping[str, object]) -> Fields:
    operation, workload = _said(said, "Operation")[:200], _said(said, "Workload")
    fields: Fields = {"@timestamp": when.iso(when.rfc3339(_said(said, "CreationTime")))}
    pairs = {key: _pairs(said, key) for key in _PAIRS}
    flat = document.flat(said)
    for name, setter in _SETTERS.items():
        value = flat.get(name)
        if isinstance(value, str | int) and value != "<null>":
            setter(fields, str(value).strip())
    fields["observer.vendor"] = "Microsoft"
    text.put(fields, (("observer.product", workload), ("event.action", operation.rstrip("."))))
    fields["message"] = f"{workload} {operation}".strip()
    _who(fields, said)
    _from_where(fields, said, pairs)
    category, kinds = _kind(operation, workload, said)
    text.put(fields, (("event.category", category), ("event.type", kinds)))
    fields["event.kind"] = "alert" if operation.startswith(_ALERTS) else "event"
    _outcome(fields, said, operation, workload)
    _mail(fields, said, flat)
    _things(fields, pairs, operation)
    _rules(fields, said)
    text.put(fields, [("file.hash.sha256", str(fields.get("file.hash.sha256", "")).lower())])
    text.put(fields, [("email.subject", _said(said, "Subject") if operation in _MAILBOX else "")])
    for name in _URLS:
        url = str(flat.get(name, ""))[:VALUE_MAX]
        if "://" in url[:10] and not url.endswith("://") and "url.original" not in fields:
            names.url(fields, url)
    rest = {key: value for key, value in said.items() if key not in _TAKEN}
    fields.update(document.below("m365", rest | {key: found for key, found in pairs.items() if found}))
    for key in _LISTED:
        text.put(fields, [(f"m365.{key}Listed", tuple(f"{name}={value}" for name, value in pairs[key].items()))])
    for key, words in (("UserType", _USER_TYPES), ("LogonType", _LOGON_TYPES)):
        number = _said(said, key)
        if number.isdecimal() and int(number[:3]) < len(words):
            fields[f"m365.{key}"] = words[int(number)]
    return fields


def _pairs(said: Mapping[str, object], key: str) -> dict[str, str]:
    """Return a list of `{Name, Value}` or `{Name, NewValue, OldValue}` as names and (new) values."""
    found: dict[str, str] = {}
    for one in _objects(said, key):
        name, value = _said(one, "Name"), _said(one, "Value", "NewValue")
        if name and value and value not in {"[]", '""'}:
            # what was changed comes as JSON: "\"Global Administrator\"", "[\r\n  \"new\"\r\n]"
            found[name[:80]] = " ".join(value[:VALUE_MAX].strip('"').split())
    return found


def _who(fields: Fields, said: Mapping[str, object]) -> None:
    user = _said(said, "UserId").rpartition("|")[2]  # i:0#.f|membership|anna@city.example
    if user.lower() in _NOBODY:
        entity = _said(said, "AlertEntityId")
        user = entity if "@" in entity else ""
    fields.update(text.user(user.partition(" (")[0] if "\\" in user else user))  # NT AUTHORITY\SYSTEM (w3wp)
    key = _said(said, "UserKey")
    if key and key.lower() not in _NOBODY and key != user:
        fields["user.id"] = key
    owner = _said(said, "MailboxOwnerUPN")
    if owner and owner.lower() != user.lower():
        fields.update(text.user(owner, "user.target"))
    for one in _objects(said, "Target"):
        name, kind = _said(one, "ID"), _said(one, "Type")
        if kind == "5" and "user.target.name" not in fields:
            fields.update(text.user(name, "user.target"))
        elif name.startswith("User_"):
            fields["user.target.id"] = name.removeprefix("User_")
    several = [_said(one, "UPN") for one in _objects(said, "Members")]
    shared = _said(said, "TargetUserOrGroupName") if _said(said, "TargetUserOrGroupType") != "SharePointGroup" else ""
    first = next((one for one in several if one), shared)
    if first and "user.target.name" not in fields:
        fields.update(text.user(first, "user.target"))


def _from_where(fields: Fields, said: Mapping[str, object], pairs: Mapping[str, Mapping[str, str]]) -> None:
    for key in _ADDRESSES:
        address, port = common.endpoint(_said(said, key))
        if address is not None:
            text.put(fields, (("source.ip", address), ("source.port", port)))
            break
    agent = _said(said, "UserAgent") or pairs["ExtendedProperties"].get("UserAgent", "")
    client = _said(said, "ClientInfoString")
    inner = client.partition(";")[2].strip("; ")
    if not agent and "/" in inner and not inner.startswith("Client="):  # Client=OWA;Mozilla/5.0 …
        agent = inner
    text.put(fields, [("user_agent.original", agent)])


def _kind(operation: str, workload: str, said: Mapping[str, object]) -> Kind:
    if operation in _LOGINS:
        return _LOGIN
    if row := _TABLES["exact"].get(operation):
        categories, _, kinds = row.partition("|")
        return tuple(categories.split()), tuple(kinds.split())
    if operation.startswith("Dlp"):
        return (("email",), ("info",)) if "ExchangeMetaData" in said else (("file",), ("info",))
    if operation in _MAILBOX:
        return (("email", "malware"), ("info",)) if _said(said, "Verdict") == "Malware" else _MAIL
    if operation.startswith("Alert"):
        return ("intrusion_detection",), ("info",)
    if operation.startswith(("File", "Folder")):
        kinds = (kind for word, kind in _FILES if word.search(operation))
        return ("file",), (next(kinds, "change"),)
    if _SHARING.match(operation):
        return ("file",), ("access" if operation.endswith("Used") else "change",)
    cmdlet = _ADMIN.fullmatch(operation)
    if cmdlet:
        return _cmdlet(cmdlet[1], cmdlet[2])
    if workload == "AzureActiveDirectory":
        return _directory(operation)
    return _worded(operation, workload) if workload else ((), ())


def _worded(operation: str, workload: str) -> Kind:
    """Return what the words of an operation's name say, or its workload; nothing of one that is not known."""
    words = [word.lower() for word in _WORD.findall(operation)]
    kinds = (_VERBS_OF.get(word) for word in (*words[-1:], *words))
    kind = next((one for one in kinds if one), "change")
    named = next((category for category, form in _NOUNS if form.search(operation)), None)
    category = named or _TABLES["workloads"].get(workload)
    return ((category,), (kind,)) if category else ((), ())


def _cmdlet(verb: str, noun: str) -> Kind:
    kind = _VERBS.get(verb, "change")
    if "Permission" in noun or noun.endswith(("Member", "RoleAssignment")):
        who = "group" if "Group" in noun else "user"
        return ("iam",), (("info", who) if kind == "access" else ("change", who))
    if noun.endswith(("Group", "RoleGroup", "ManagementRole")):
        return ("iam",), (("info", "group") if kind == "access" else (kind, "group"))
    if noun in {"Mailbox", "MailUser", "User"} and verb in {"New", "Remove"}:
        return ("iam",), (kind, "user")
    return ("configuration",), (kind,)


def _directory(operation: str) -> Kind:
    words = operation.lower()
    kind = _VERBS_DIRECTORY.get(words.partition(" ")[0], "change")
    if not _DIRECTORY.search(words):
        return ("configuration",), (kind,)
    if "role" in words and "app role" not in words:
        return ("iam",), ("admin", "change")
    if "group" in words:
        return ("iam",), ("change" if "member" in words or "owner" in words else kind, "group")
    if re.search(r"\b(?:user|password|strong authentication|license)", words):
        whole = re.fullmatch(r"(?:\w+ )?(?:add|delete|create|hard delete|remove) user\.?", words)
        return ("iam",), (kind if whole else "change", "user")
    return ("iam",), (kind,)


def _outcome(fields: Fields, said: Mapping[str, object], operation: str, workload: str) -> None:
    if fields["event.kind"] == "alert" and not operation.startswith("Alert"):  # an alert policy's record says so itself
        return
    outcome = _OUTCOMES.get(_said(said, "ResultStatus", "IsSuccess").lower())
    if operation in {
        "UserLoginFailed",
        "UserLoggedIn",
        "LogonFailed",
    }:  # ResultStatus there is that of the request, not of the login
        outcome = "success" if operation == "UserLoggedIn" else "failure"
    elif outcome is None and workload in {"SharePoint", "OneDrive", "MicrosoftTeams"} and "event.category" in fields:
        outcome = "success"  # what they record has been done
    text.put(fields, (("event.outcome", outcome),))


def _mail(fields: Fields, said: Mapping[str, object], flat: Mapping[str, Value]) -> None:
    for name in _MESSAGE_IDS:
        text.put(fields, [("email.message_id", str(flat.get(name, "")).strip("<>"))])
        if "email.message_id" in fields:
            break
    to = flat.get("Recipients", flat.get("ExchangeMetaData.To", ()))
    to = to if isinstance(to, tuple) else (to,)
    way = _said(said, "Directionality").lower()
    attached = [name for one in _objects(said, "AttachmentData") if (name := _said(one, "FileName"))]
    text.put(
        fields,
        (
            ("email.to.address", tuple(str(one) for one in to[:256])),
            ("email.direction", {"intra-org": "internal", "intraorg": "internal"}.get(way, way)),
            ("email.attachments.file.name", attached[0] if len(attached) == 1 else ""),
        ),
    )


def _things(fields: Fields, pairs: Mapping[str, Mapping[str, str]], operation: str) -> None:
    """Set what an administrator or a rule did something to: groups, roles, members, and where mail is forwarded."""
    changed, parameters = pairs["ModifiedProperties"], pairs["Parameters"]
    group = parameters.get("Identity", "") if "Group" in operation and "-" in operation else ""
    member = parameters.get("Member") or parameters.get("User") or parameters.get("Identity", "")
    if "@" in member:
        fields.update(text.user(member, "user.target"))
    role = changed.get("Role.DisplayName", "")
    where = " ".join(parameters.get(name, "") for name in _FORWARDS)
    where += pairs["OperationProperties"].get("RuleActions", "") if operation == "UpdateInboxRules" else ""
    forwarded = tuple(dict.fromkeys(_MAIL_ADDRESS.findall(where.replace("smtp:", " ").replace("SMTP:", " "))))
    text.put(
        fields,
        (
            ("group.name", group or changed.get("Group.DisplayName", "")),
            ("group.id", changed.get("Group.ObjectID", "")),
            ("user.target.roles", (role,) if role else ()),
            ("m365.forwarded_to", forwarded),
        ),
    )


def _rules(fields: Fields, said: Mapping[str, object]) -> None:
    """Set the rule of data loss prevention or the policy of an alert that spoke."""
    if _said(said, "AlertId"):
        text.put(fields, (("rule.name", _said(said, "Name")), ("rule.id", _said(said, "PolicyId")),
                          ("rule.category", _said(said, "Category"))))  # fmt: skip
    for policy in _objects(said, "PolicyDetails")[:1]:
        first = next(iter(_objects(policy, "Rules")), {})
        text.put(fields, (("rule.ruleset", _said(policy, "PolicyName")), ("rule.name", _said(first, "RuleName")),
                          ("rule.id", _said(first, "RuleId"))))  # fmt: skip


def _traced(said: Mapping[str, object]) -> Fields:
    """Return the event of one message to one recipient, as Get-MessageTrace, its web service and Graph give it."""
    folded = {key.lower(): _said(said, key) for key in said}
    status = folded.get("status", "").lower()
    fields: Fields = {"event.kind": "event", "event.category": ("email",), "event.type": ("info",)}
    received = folded.get("received") or folded.get("receiveddatetime")
    if received:
        dated = _JSON_DATE.fullmatch(received)
        fields["@timestamp"] = when.iso(when.epoch(dated[1]) if dated else when.rfc3339(received))
    for name, setter in _TRACE.items():
        if folded.get(name):
            setter(fields, folded[name])
    fields |= {"event.dataset": "m365.message_trace", "observer.vendor": "Microsoft", "observer.product": "Exchange"}
    message = folded.get("messageid", "").strip("<>")
    return text.put(
        fields,
        (("event.action", status), ("event.outcome", _TRACED.get(status)), ("email.message_id", message)),
    )
