"""`sentinel store`: makes an Elasticsearch server what Sentinel needs, says what it can do, gives Kibana its views."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, recorded, show, talk
from sentinel.core.check import Check
from sentinel.core.errors import ConfigError, Exit
from sentinel.core.retention import STANDARD
from sentinel.store.elastic import ElasticStore
from sentinel.store.kibana import saved
from sentinel.ui import tables

EXAMPLE = """
sentinel store setup --check
sentinel store setup --admin /root/elastic-password
sentinel store kibana > sentinel.ndjson
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command()
def setup(
    check: Annotated[bool, typer.Option("--check", help="Only look; ends with 1 if something is to be done.")] = False,
    admin: Annotated[
        Path | None, typer.Option(help="A file (mode 0600) with an administrator's API key, or user:password.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write the index template, roll mappings forward, make a key for each role; done again it changes nothing.

    Says what the server can and cannot do, and what was chosen. Refused where a newer Sentinel was at work.
    """
    app = application(config)
    with app.elastic(admin) as store:
        if check:
            done = list(_steps(app, store, check=True))
        else:
            with recorded(app, "store.setup", app.config.store.url.rpartition("@")[2]):
                done = list(_steps(app, store, check=False))
    if json:
        emit(*({"schema": SCHEMA, "step": one.name, "state": one.state, "found": one.found, "advice": one.advice}
               for one in done))  # fmt: skip
    else:
        rows = ((one.state, one.name, one.found, one.advice) for one in done)
        show(tables.plain_table(("", "what", "found", "what was chosen, or is to be done"), rows))
    if any(one.state == "fail" for one in done):
        talk("something is to be done: sentinel store setup --admin FILE" if check else "see what failed above", "red")
        raise typer.Exit(Exit.FINDING)


@verb.command()
def kibana(config: ConfigOption = None) -> None:
    """Write data views, searches and a dashboard for Kibana 8.8 or later to import, as NDJSON; asks no server."""
    options = application(config).config
    if options.store.kind == "embedded":
        raise ConfigError("Kibana reads Elasticsearch only: see `sentinel config explain store.kind`")
    names = (STANDARD, *(one.name for one in options.classes))
    emit(*saved(options.store.prefix, names))


def _steps(app: App, store: ElasticStore, *, check: bool) -> Iterator[Check]:
    yield from _server(app, store)
    different = store.setup(check=check)
    more = f" and {len(different) - 1} more" if len(different) > 1 else ""
    found = f"{different[0]}{more}" if different else "as they are needed"
    yield Check("template and mappings", "fail" if different and check else "ok", found, _done(different, check=check))
    missing = store.share(app.config.store.replicas, check=check)
    yield Check("what machines share", "fail" if missing and check else "ok", missing[0] if missing else "there",
                _done(missing, check=check))  # fmt: skip
    yield from _keys(app, store, check=check)


def _done(wrong: object, *, check: bool) -> str:
    return "" if not wrong else "to be written" if check else "written"


def _server(app: App, store: ElasticStore) -> Iterator[Check]:
    options, server = app.config.store, store.look()
    two = len(server.versions) > 1
    yield Check("version", "warn" if two else "ok", ", ".join(server.versions),
                "finish the upgrade of all nodes" if two else "8.x and 9.x will do")  # fmt: skip
    copies = (
        f"{options.replicas} of each part" if options.replicas is not None else "one as soon as there are two nodes"
    )
    alone = server.holding == 1
    yield Check("nodes", "warn" if alone else "ok", f"{server.nodes}, {server.holding} of them hold data",
                f"copies: {copies}{'; a single node that is lost loses its events' if alone else ''}")  # fmt: skip
    if store.has_wildcard():
        found, chosen = "there", "not used: texts lie as keyword, so that all servers answer alike"
    else:
        found, chosen = "not there", "not needed: texts lie as keyword"
    yield Check("field type wildcard", "ok", found, f"{chosen}; a pattern that begins with * is slow")
    room = server.shards_max - server.shards
    a_day = (len(app.config.classes) + 1) * options.shards * (1 + (options.replicas or 0 if alone else 1))
    days = max([app.config.retention.days, *(one.days for one in app.config.classes)])
    tight = a_day * days > server.shards_max
    yield Check("shards", "fail" if tight else "ok", f"{server.shards:,} of {server.shards_max:,}; room for {room:,}",
                f"{days} days of {a_day} shards want {a_day * days:,}"
                + ("; add nodes, or keep fewer days or classes" if tight else ""))  # fmt: skip
    if not server.thresholds:
        yield Check("disk watermarks", "warn", "switched off on the server", "a full disk will stop it: switch them on")
    for disk in server.disks:
        free = f"{disk.free / (1 << 30):,.1f} GiB free, {disk.percent:.0f} % used"
        yield Check(f"disk of {disk.node}", "warn" if disk.passed else "ok", free, disk.passed)
    for trouble in store.troubles():
        yield Check("trouble", "warn", trouble)


def _keys(app: App, store: ElasticStore, *, check: bool) -> Iterator[Check]:
    folder = app.config.store.keys
    if not store.secured():
        advice = "switch security on: whoever reaches the server may read and remove everything"
        yield Check("security", "warn", "off", advice)
        return
    plain = app.config.store.url.startswith("http:")
    yield Check("security", "warn" if plain else "ok", "on, without TLS" if plain else "on, with TLS",
                "keys can be read on the way: use https and store.ca_cert" if plain else "")  # fmt: skip
    if folder is None:
        yield Check("keys", "warn", "store.keys names no folder", "one key for all may more than each needs: set it")
        return
    for role, wrong in store.provide_keys(folder, check=check).items():
        yield Check(f"key {role}", "fail" if wrong and check else "ok", wrong or "as it should be",
                    _done(wrong, check=check))  # fmt: skip
