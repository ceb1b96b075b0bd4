r"""Lines that ran through a container's log: what Kubernetes and Docker put around them is taken off.

Kubernetes' CRI format is `time stdout F line`, https://github.com/kubernetes/design-proposals-archive/blob/main/node/
kubelet-cri-logging.md; Docker's json-file is `{"log":"line\n","stream":"stdout","time":"…"}`.
"""

import re

from sentinel.core.errors import ParseError
from sentinel.core.event import Raw
from sentinel.pack import structured, syslog, text, when

_CRI = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\S{8,30}) (?:stdout|stderr) [FP] (?P<message>.*)", re.DOTALL)


def read(raw: Raw) -> syslog.Syslog:
    """Return the record's message, with the container's time if it has one, else as `syslog.read` does; never fails."""
    body = raw.body
    if body.startswith(b'{"log":"') or b" stdout " in body[:50] or b" stderr " in body[:50]:
        whole = text.decode(body).rstrip("\r\n\0")
        try:
            if found := _CRI.fullmatch(whole):
                return syslog.Syslog(found["message"], timestamp=when.rfc3339(found["time"]))
            if whole.startswith("{"):
                said = structured.json_object(whole)
                message, moment = said.get("log"), said.get("time")
                if isinstance(message, str) and isinstance(moment, str) and "stream" in said:
                    return syslog.Syslog(message.rstrip("\r\n"), timestamp=when.rfc3339(moment))
        except ParseError:
            pass
    return syslog.read(raw)
