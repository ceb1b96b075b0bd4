r"""Names that are made of parts, put into ECS part by part: paths, accounts (`DOMAIN\user`), digests, registry keys."""

import re

from sentinel.core.event import Fields
from sentinel.pack import text

_DIGESTS = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})
_HIVES = {
    "HKEY_LOCAL_MACHINE": "HKLM", "HKEY_USERS": "HKU", "HKEY_CURRENT_USER": "HKCU", "HKEY_CLASSES_ROOT": "HKCR",
    "HKEY_CURRENT_CONFIG": "HKCC", "HKLM": "HKLM", "HKU": "HKU", "HKCU": "HKCU", "HKCR": "HKCR", "HKCC": "HKCC",
}  # fmt: skip
_KERNEL = re.compile(r"(?i)^\\registry\\(machine|user)(?=\\|$)")
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,12}")


def account(fields: Fields, below: str, value: str) -> None:
    r"""Set `below.name` and `below.domain` from `DOMAIN\user`, `user@domain` or a bare name."""
    domain, slash, name = value.partition("\\")
    if not slash:
        name, at, domain = value.rpartition("@")
        if not (at and name and domain) or " " in domain:
            name, domain = value, ""
    if name:
        fields[below + ".name"] = name
    if domain:
        fields[below + ".domain"] = domain


def digests(fields: Fields, below: str, value: str) -> None:
    """Set `below.hash.*` and `below.pe.imphash` from `MD5=…,SHA256=…`; digests of nothing but zeros are left out."""
    for part in value.split(","):
        name, _, digest = part.strip().partition("=")
        name, digest = name.lower(), digest.lower()
        if not digest.strip("0"):
            continue
        if name in _DIGESTS:
            fields[f"{below}.hash.{name}"] = digest
        elif name == "imphash":
            fields[below + ".pe.imphash"] = digest


def executables(fields: Fields) -> None:
    """Set the names of processes and libraries whose path is set."""
    for path, name in (
        ("process.executable", "process.name"),
        ("process.parent.executable", "process.parent.name"),
        ("dll.path", "dll.name"),
    ):
        value = fields.get(path)
        if value is not None and name not in fields:
            last = text.basename(str(value))
            if last:
                fields[name] = last


def file(fields: Fields) -> None:
    """Set `file.name`, `file.directory` and `file.extension` from `file.path`."""
    path = fields.get("file.path")
    if not isinstance(path, str):
        return
    at = max(path.rfind("\\"), path.rfind("/"))
    name = path[at + 1 :]
    if not name:
        return
    fields["file.name"] = name
    if at > 0:
        fields["file.directory"] = path[:at]
    stem, dot, extension = name.partition(":")[0].rpartition(".")  # `name.zip:stream` on NTFS
    if stem and dot and _EXTENSION.fullmatch(extension):
        fields["file.extension"] = extension.lower()


def registry(fields: Fields, *, value: bool) -> None:
    r"""Set `registry.hive`, `registry.key` and, if the path ends in one, `registry.value` from `registry.path`.

    Paths of the kernel (`\REGISTRY\MACHINE\…`) are understood; ones below no known hive are left alone.
    """
    path = str(fields.get("registry.path", ""))
    kernel = _KERNEL.match(path)
    if kernel:
        path = ("HKLM" if kernel[1].lower() == "machine" else "HKU") + path[kernel.end() :]
    hive, _, key = path.partition("\\")
    short = _HIVES.get(hive.upper())
    if short is None:
        return
    fields["registry.hive"] = short
    if value:
        key, _, last = key.rpartition("\\")
        if last:
            fields["registry.value"] = last
    if key:
        fields["registry.key"] = key


def url(fields: Fields, value: str) -> None:
    """Set `url.*` from a whole URL or from a path; a domain that is known already stays."""
    fields["url.original"] = value
    rest = value
    scheme, separator, after = value.partition("://")
    if separator and scheme.isalpha():
        host, slash, path = after.partition("/")
        rest = slash + path
        fields["url.full"], fields["url.scheme"] = value, scheme.lower()
        name = host.rpartition("@")[2]
        if name.count(":") == 1 or name.startswith("["):
            name, _, port = name.rpartition(":") if not name.endswith("]") else (name, "", "")
            text.put(fields, (("url.port", text.port(port)),))
        if name:
            fields.setdefault("url.domain", name.strip("[]"))
    path, question, query = rest.partition("?")
    if path.startswith("/"):
        fields["url.path"] = path
    if question and query:
        fields["url.query"] = query
