"""Which of Sentinel's work a machine does: one does all of it, several share it over Elasticsearch."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from sentinel.config.options import Config
from sentinel.core.durable import write_file
from sentinel.core.errors import ConfigError
from sentinel.core.folders import made


class Role(StrEnum):
    """A kind of work; `all` is what one machine alone does."""

    COLLECT = "collect"
    SENSOR = "sensor"
    DETECT = "detect"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Roles:
    """The work of a machine: `collect` has the entrances, `sensor` the interfaces, `detect` judges, tells and removes.

    Each stores what its own spool holds.
    """

    collect: bool = True
    sensor: bool = False
    detect: bool = True

    def __str__(self) -> str:
        """Return them as they were given."""
        if self == ALL:
            return Role.ALL
        return ", ".join(one for one in (Role.COLLECT, Role.SENSOR, Role.DETECT) if getattr(self, one))


ALL = Roles()


def roles_of(given: Iterable[Role], config: Config) -> Roles:
    """Return what `given` comes to, nothing being `all`; raises ConfigError if `config` does not go with it."""
    named = set(given) or {Role.ALL}
    if Role.ALL in named:
        named |= {Role.COLLECT, Role.DETECT}
    roles = Roles(Role.COLLECT in named, Role.SENSOR in named, Role.DETECT in named)
    if config.store.kind == "embedded" and not (roles.collect and roles.detect):
        raise ConfigError(
            f"the embedded store is one machine's, which has to do all: `--role {roles}` wants [store] kind = "
            '"elasticsearch" (see deploy/docs/machines.md), or leave --role away'
        )
    if roles.sensor and not config.sense.interfaces:
        raise ConfigError("the role sensor listens to interfaces: name them in [sense] interfaces")
    return roles


def remember(roles: Roles, config: Config) -> None:
    """Write down what this machine does, for commands that look at it."""
    with suppress(OSError):  # a full disk: they take it for a machine that does all
        write_file(made(config.data) / _FILE, str(roles).encode())


def remembered(config: Config) -> Roles:
    """Return what this machine does, or did when it was last at work."""
    try:
        said = set((config.data / _FILE).read_text("utf-8").split(", "))
    except (OSError, ValueError):
        return ALL
    if not said <= set(Role) or Role.ALL in said:
        return ALL
    return Roles(Role.COLLECT in said, Role.SENSOR in said, Role.DETECT in said)


_FILE = "roles"
