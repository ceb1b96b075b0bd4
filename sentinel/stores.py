"""Opens the store that is configured, for what is to be done with it and with the key that this needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sentinel.config.options import Config
from sentinel.core.folders import credentials, made, secret
from sentinel.core.node import Register
from sentinel.core.ports import Archive, Form

if TYPE_CHECKING:
    from sentinel.store.elastic import ElasticStore
    from sentinel.store.es_journal import ElasticJournal

SHARING_SECONDS = 8.0
"""So long an answer may take when what machines share is read or changed: others of this machine wait."""
Role = Literal["reader", "writer", "keeper", "prover", "sharer"]
"""What is done with the store; see `store.es_keys`."""


ASKED_SECONDS = 5.0
"""So long an answer about the machines may take."""


def opened(config: Config, role: Role) -> Archive:
    """Return the store; of the embedded one a process may be the only one to write. Raises StoreError, ConfigError."""
    if config.store.kind == "embedded":
        from sentinel.store.embedded import EmbeddedStore

        return EmbeddedStore(
            made(config.store_dir),
            readonly=role == "reader",
            retention=config.kept_for,
            disk_percent=config.retention.disk_percent,
        )
    return elastic(config, config.store.prefix, role)


def elastic(
    config: Config,
    prefix: str,
    role: Role,
    *,
    key: str | None = None,
    seconds_max: float = inf,
    attempts: int | None = None,
) -> "ElasticStore":
    """Return the indices of `prefix` in Elasticsearch; `key` instead of the role's own."""
    from sentinel.store.elastic import ElasticStore
    from sentinel.store.es_bulk import Patience

    options = config.store
    path = _key_file(config, role)
    return ElasticStore(
        options.url,
        other_urls=options.other_urls,
        prefix=prefix,
        ca_cert=options.ca_cert,
        api_key=key or (secret(path) if path else None),
        readonly=role == "reader",
        shards=options.shards,
        replicas=options.replicas,
        retention=config.kept_for,
        timeout_seconds=min(options.timeout_seconds, seconds_max),
        patience=None if attempts is None else Patience(attempts=attempts),
    )


@contextmanager
def register(config: Config, role: Role) -> Iterator[Register | None]:
    """Open where the machines are entered that share the store, for short questions; None: it is one machine's."""
    if config.store.kind == "embedded":
        yield None
        return
    store = elastic(config, config.store.prefix, role, seconds_max=ASKED_SECONDS, attempts=1)
    try:
        yield store.register()
    finally:
        store.close()


def journal(config: Config, name: str) -> "ElasticJournal | None":
    """Return the journal of what machines share that is called `name`; None: nothing is shared, the store is here."""
    options = config.store
    if options.kind == "embedded":
        return None
    from sentinel.store.es_journal import ElasticJournal

    path = _key_file(config, "sharer")
    return ElasticJournal(
        options.url,
        f"{options.prefix}-state",
        name,
        other_urls=options.other_urls,
        ca_cert=options.ca_cert,
        api_key=secret(path) if path else None,
        replicas=options.replicas,
        timeout_seconds=min(options.timeout_seconds, SHARING_SECONDS),
    )


def hurry(config: Config, *, on: bool = True) -> None:
    """Have this process, which is about to end, wait for no store that has kept it waiting; not `on`: as ever."""
    if config.store.kind != "embedded":
        from sentinel.store import es_client

        es_client.hurry(on=on)


def keeps(config: Config) -> bool:
    """Say whether this machine has what it takes to amend and remove what is stored."""
    path = _key_file(config, "keeper")
    return config.store.kind == "embedded" or path in {None, config.store.api_key_file} or path.exists()


def _key_file(config: Config, role: Role) -> Path | None:
    # where no key is named, what systemd was told to load counts: `LoadCredential=keys:FOLDER`
    options, given = config.store, credentials()
    if options.keys or options.api_key_file or given is None or not list(given.glob("keys_*")):
        return options.keys / role if options.keys else options.api_key_file
    return given / f"keys_{role}"


def form(config: Config) -> Form:
    """Return how the store forms events; needs no store."""
    if config.store.kind == "embedded":
        from sentinel.store.forming import Former

        return Former()
    from sentinel.store import es_bulk

    return es_bulk.Former(config.store.prefix, config.kept_for)
