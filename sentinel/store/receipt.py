"""What is said of events that are removed: how many, and a digest of their ids."""

from collections.abc import Iterable
from hashlib import sha256

from sentinel.core.ports import Removed


def removed(ids: Iterable[str]) -> Removed:
    """Return the number of `ids`, in order of arrival, and their digest."""
    digest, count = sha256(), 0
    for one in ids:
        digest.update(one.encode("utf-8", "surrogatepass") + b"\n")
        count += 1
    return Removed(count, digest.hexdigest())
