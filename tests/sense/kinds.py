"""Every kind of finding there is, found in the source: whoever adds one is asked for its rule without another word."""

import ast
from collections.abc import Iterator
from pathlib import Path

import sentinel.sense

DETECTIONS = Path(sentinel.sense.__path__[0]) / "detections"
MAKERS = {"Finding", "about"}
"""What makes a finding; their first argument is its kind, or the one of that name."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def kinds() -> dict[str, str]:
    """Return each kind with the module that says it; raises TypeError where the source does not show which it says."""
    found: dict[str, str] = {}
    for path in sorted(DETECTIONS.glob("*.py")):
        module = Module(ast.parse(path.read_text("utf-8")), path.stem)
        found |= dict.fromkeys(module.kinds(), path.stem)
    return dict(sorted(found.items()))


class Module:
    """One family's source: what texts an expression in it may stand for."""

    def __init__(self, tree: ast.Module, name: str) -> None:
        self._name = name
        self._tree = tree
        self._calls = list(_calls(tree))
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}

    def kinds(self) -> set[str]:
        """Return the kinds of the findings that are made here."""
        found: set[str] = set()
        for function, call in self._calls:
            named = [one.value for one in call.keywords if one.arg == "kind"]
            if _name(call) in MAKERS:
                found |= self._texts((named or call.args)[0], function)
            elif _name(call) == "replace" and named:
                found |= self._texts(named[0], function)
        return found

    def _texts(self, given: ast.expr, function: Function | None) -> set[str]:
        match given:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp(body=one, orelse=other):
                return self._texts(one, function) | self._texts(other, function)
            case ast.JoinedStr(values=parts):
                found = {""}
                for part in parts:
                    inner = part.value if isinstance(part, ast.FormattedValue) else part
                    found = {begun + text for begun in found for text in self._texts(inner, function)}
                return found
            case ast.Subscript(value=ast.Name(id=name)):
                return self._table(name)
            case ast.Attribute(attr="kind"):
                return self._literals()
            case ast.Name(id=name) if function is not None:
                return self._named(name, function)
            case _:
                raise self._unseen(given)

    def _named(self, name: str, function: Function) -> set[str]:
        # a parameter stands for what each caller gives, a variable for what it was set to
        names = [one.arg for one in function.args.args if one.arg != "self"]
        if name in names:
            place = names.index(name)
            given = [(inner, call) for inner, call in self._calls if _name(call) == function.name]
            return set().union(*(self._texts(call.args[place], inner) for inner, call in given))
        found: set[str] = set()
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=set_)], value=value) if set_ == name:
                    found |= self._texts(value, function)
                case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=set_), *_])], value=value) if set_ == name:
                    found |= self._first(value, function)
                case _:
                    pass
        if not found:
            raise self._unseen(function)
        return found

    def _first(self, given: ast.expr, function: Function) -> set[str]:
        # the first of several that a function of this module returns
        match given:
            case ast.Tuple(elts=[first, *_]):
                return self._texts(first, function)
            case ast.IfExp(body=one, orelse=other):
                return self._first(one, function) | self._first(other, function)
            case ast.Constant(value=None):
                return set()
            case ast.Call() if (made := self._functions.get(_name(given))) is not None:
                returned = [node.value for node in ast.walk(made) if isinstance(node, ast.Return) and node.value]
                return set().union(*(self._first(value, made) for value in returned))
            case ast.Name(id=name):
                set_ = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
                values = [
                    one.value for one in set_ if isinstance(one.targets[0], ast.Name) and one.targets[0].id == name
                ]
                return set().union(*(self._first(value, function) for value in values))
            case _:
                raise self._unseen(given)

    def _table(self, name: str) -> set[str]:
        for node in self._tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=set_)], value=ast.Dict(values=values)) if set_ == name:
                    return set().union(*(self._texts(one, None) for one in values))
                case _:
                    pass
        raise self._unseen(self._tree)

    def _literals(self) -> set[str]:
        # the kinds that a type of the module lists: Kind = Literal[...]
        for node in self._tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="Kind")], value=ast.Subscript(slice=ast.Tuple(elts=names))):
                    return set().union(*(self._texts(one, None) for one in names))
                case _:
                    pass
        raise self._unseen(self._tree)

    def _unseen(self, node: ast.AST) -> TypeError:
        return TypeError(
            f"{self._name}.py:{getattr(node, 'lineno', 1)}: which kind this is cannot be seen in the source"
        )


def _calls(tree: ast.AST, function: Function | None = None) -> Iterator[tuple[Function | None, ast.Call]]:
    for node in ast.iter_child_nodes(tree):
        inner = node if isinstance(node, Function) else function
        if isinstance(node, ast.Call):
            yield inner, node
        yield from _calls(node, inner)


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
