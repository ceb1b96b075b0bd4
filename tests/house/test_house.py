"""The house rules: what every module, pack and rule keeps to, walked over all of them."""

import ast
import ipaddress
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sentinel.config import explaining
from sentinel.core import ecs

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "sentinel").rglob("*.py"))
PARSERS = sorted((ROOT / "parsers").glob("*/parser.py"))
RULES = sorted(path for path in (ROOT / "rules").rglob("*.yml") if "pipelines" not in path.parts)
CODE = [*MODULES, *PARSERS]
MODULE_LINES_MAX = 400
PACK_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CODE, ids=named)
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    words = ast.get_docstring(tree_of(path))
    assert words
    assert len(words.split()) >= 3


@pytest.mark.parametrize("path", CODE, ids=named)
def test_modules_and_functions_stay_short(path: Path) -> None:
    limit = PACK_LINES_MAX if path in PARSERS else MODULE_LINES_MAX
    assert len(path.read_text("utf-8").splitlines()) <= limit
    long = [
        f"{function.name}: {length} lines"
        for function in functions(tree_of(path))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long


@pytest.mark.parametrize("path", CODE, ids=named)
def test_nothing_dangerous_is_called(path: Path) -> None:
    found: list[str] = []
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Call(func=ast.Name(id="eval" | "exec" | "print" as name)):
                found.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load")):
                found.append("yaml.load")
            case ast.Import(names=names):
                found += [one.name for one in names if one.name in {"pickle", "marshal", "shelve", "diskcache"}]
            case ast.ImportFrom(module="pickle" | "marshal" | "shelve" | "diskcache" as module):
                found.append(module)
            case _:
                pass
    assert not found


@pytest.mark.parametrize("path", CODE, ids=named)
def test_only_the_clock_reads_the_time_of_day(path: Path) -> None:
    if path == ROOT / "sentinel/core/clock.py":
        return
    found = [
        f"line {node.lineno}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"now", "utcnow", "today"}
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"datetime", "date"}
    ]
    assert not found


@pytest.mark.parametrize("path", [*CODE, *sorted((ROOT / "tests").rglob("*.py"))], ids=named)
def test_every_exception_to_a_rule_has_its_reason(path: Path) -> None:
    bare = [
        f"line {number}"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if re.search(r"#\s*noqa(: [A-Z0-9, ]+)?$", line)
    ]
    assert not bare


@pytest.mark.parametrize("path", sorted((ROOT / "sentinel/ui").rglob("*.py")), ids=named)
def test_untrusted_text_never_reaches_a_table_as_str(path: Path) -> None:
    """A cell is drawn from `safe(…)`, `level_text(…)` or a literal; a variable or an f-string could carry markup."""
    loose = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_row":
            for cell in node.args:
                allowed = isinstance(cell, ast.Constant) or (
                    isinstance(cell, ast.Call)
                    and isinstance(cell.func, ast.Name)
                    and cell.func.id in {"safe", "level_text"}
                )
                spread = isinstance(cell, ast.Starred) and "safe(" in ast.unparse(cell)
                if not allowed and not spread:
                    loose.append(f"line {node.lineno}: {ast.unparse(cell)}")
    assert not loose


@pytest.mark.parametrize("path", PARSERS, ids=named)
def test_a_pack_is_named_as_its_folder_and_has_broken_samples(path: Path) -> None:
    manifest = tomllib.loads((path.parent / "pack.toml").read_text("utf-8"))
    assert manifest["title"]
    assert manifest["reference"].startswith("http")
    assert (path.parent / "samples/broken.log").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "parsers").glob("*/samples/*.ecs.jsonl")), ids=named)
def test_every_field_of_a_golden_file_exists_with_its_type(path: Path) -> None:
    wrong = []
    kinds: dict[str, tuple[type, ...]] = {"long": (int,), "float": (int, float), "boolean": (bool,)}
    for line in path.read_text("utf-8").splitlines():
        told = json.loads(line)
        for event in told if isinstance(told, list) else [told]:
            for field, value in event.items():
                kind = ecs.type_of(field)
                values = value if isinstance(value, list) else [value]
                if kind is None or not all(isinstance(one, kinds.get(kind, (str,))) for one in values):
                    wrong.append(f"{field} = {value!r} ({kind})")
    assert not wrong


@pytest.mark.parametrize("path", RULES, ids=named)
def test_a_rule_has_both_neighbours_and_attack_shaped_tags(path: Path) -> None:
    assert path.with_suffix(".fires.jsonl").read_text("utf-8").strip()
    assert path.with_suffix(".quiet.jsonl").read_text("utf-8").strip()
    for document in yaml.safe_load_all(path.read_text("utf-8")):
        for tag in document.get("tags", ()):
            assert re.fullmatch(r"attack\.(t\d{4}(\.\d{3})?|[a-z][a-z-]+|[gs]\d{4})|cve\.\d{4}-\d+", tag), tag


def test_samples_use_addresses_nobody_owns() -> None:
    """RFC 5737, RFC 1918, multicast and other special-purpose addresses only."""
    fine = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
    strangers = set()
    for path in [*(ROOT / "parsers").rglob("samples/*"), *(ROOT / "rules").rglob("*.jsonl")]:
        if path.name == "broken.log":
            continue
        for text in re.findall(
            r"(?<![\d.\w-])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]|-\d)", path.read_text("utf-8", "replace")
        ):
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue
            version = int(text.split(".", 1)[0]) < 10  # 6.0.1.2 is a version, no address
            if (
                not version
                and address.is_global
                and not address.is_multicast
                and not any(address in net for net in fine)
            ):
                strangers.add(f"{path.relative_to(ROOT)}: {text}")
    assert not strangers


def test_the_example_configuration_is_written_from_the_code() -> None:
    assert (ROOT / "deploy/sentinel.toml").read_text("utf-8").rstrip() == explaining.example().rstrip()


def test_every_option_is_documented() -> None:
    assert all(words.split("Default:")[0].strip() for _, words in explaining.options())


def test_the_top_level_holds_nothing_else() -> None:
    allowed = {"pyproject.toml", "sentinel", "rules", "parsers", "tests", "deploy", "README.md"}
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - allowed <= {"dist"}
