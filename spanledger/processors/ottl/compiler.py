"""Parsed statements into functions of an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from spanledger.processors.ottl import syntax
from spanledger.processors.ottl.arguments import REQUIRED, Converter, Parameter
from spanledger.processors.ottl.converters_data import DATA
from spanledger.processors.ottl.converters_text import TEXTS
from spanledger.processors.ottl.converters_time import TIMES
from spanledger.processors.ottl.editors import EDITORS
from spanledger.processors.ottl.enums import ENUMS
from spanledger.processors.ottl.errors import OttlError, OttlSyntaxError
from spanledger.processors.ottl.operators import arithmetic, compare
from spanledger.processors.ottl.paths import CONTEXTS, Accessor, Item, accessor, type_name
from spanledger.processors.ottl.patterns import compiled, glob
from spanledger.processors.values import Value

CONVERTERS: Final[dict[str, Converter]] = {**TEXTS, **DATA, **TIMES}
_MISUSE: Final = (TypeError, ValueError, OverflowError, AttributeError)
"""What functions raise when they are given values of types that they were not made for."""
Run: TypeAlias = Callable[[Item], Value]
Condition: TypeAlias = Callable[[Item], bool]
Execute: TypeAlias = Callable[[Item], bool]
"""Runs a statement; whether its condition held."""


def compile_statement(text: str, context: str) -> Execute:
    """A statement for items of a context. Raises `OttlSyntaxError`, which tells where; running it raises
    `OttlError`."""
    statement = syntax.parse_statement(text)
    compiler = _Compiler(text, context)
    edit = compiler.editor(statement.editor)
    condition = compiler.condition(statement.condition) if statement.condition is not None else None

    def execute(item: Item) -> bool:
        try:
            if condition is not None and not condition(item):
                return False
            edit(item)
        except _MISUSE as problem:
            raise OttlError(f"{statement.editor.name}: {problem}") from problem
        return True

    return execute


def compile_condition(text: str, context: str) -> Condition:
    """A condition for items of a context. Raises `OttlSyntaxError`; running it raises `OttlError`."""
    condition = _Compiler(text, context).condition(syntax.parse_condition(text))

    def hold(item: Item) -> bool:
        try:
            return condition(item)
        except _MISUSE as problem:
            raise OttlError(str(problem)) from problem

    return hold


def context_of(text: str, *, statement: bool) -> str | None:
    """The most specific context that the paths of a statement or condition begin with, None where none says so."""
    parsed: Any = syntax.parse_statement(text) if statement else syntax.parse_condition(text)
    found = {_context(path) for path in _paths(parsed)} - {None}
    order = ("datapoint", "metric", "spanevent", "span", "log", "scope", "resource")
    return next((name for name in order if name in found), None)


def _context(path: syntax.Path) -> str | None:
    head = "scope" if path.segments[0] == "instrumentation_scope" else path.segments[0]
    return head if head in CONTEXTS else None


def _paths(node: Any) -> list[syntax.Path]:
    found: list[syntax.Path] = []
    waiting = [node]
    while waiting:
        here = waiting.pop()
        match here:
            case syntax.Path():
                found.append(here)
                waiting.extend(here.keys)
            case syntax.Statement():
                waiting.extend(filter(None, (here.editor, here.condition)))
            case syntax.Call():
                waiting.extend((*here.positional, *(value for _, value in here.named), *here.keys))
            case syntax.ListOf():
                waiting.extend(here.items)
            case syntax.MapOf():
                waiting.extend(value for _, value in here.items)
            case syntax.Unary():
                waiting.append(here.operand)
            case syntax.Binary():
                waiting.extend((here.left, here.right))
    return found


class _Compiler:
    def __init__(self, text: str, context: str) -> None:
        self._text = text
        self._context = context

    def _wrong(self, message: str, position: int) -> OttlSyntaxError:
        return OttlSyntaxError(message, self._text, position)

    def condition(self, node: syntax.Expression) -> Condition:
        run = self.value(node)

        def hold(item: Item) -> bool:
            value = run(item)
            if value is True or value is False:
                return value
            raise OttlError(f"a condition is true or false, not {type_name(value)}")

        return hold

    # Values.

    def value(self, node: syntax.Expression) -> Run:
        match node:
            case syntax.Literal(value):
                return lambda item: value
            case syntax.Name():
                return self._enum(node)
            case syntax.Path():
                return self.place(node).get
            case syntax.Call():
                return self._converter(node)
            case syntax.ListOf(items):
                runs = [self.value(item) for item in items]
                return lambda item: [run(item) for run in runs]
            case syntax.MapOf(items):
                entries = [(key, self.value(value)) for key, value in items]
                return lambda item: {key: run(item) for key, run in entries}
            case syntax.Unary():
                return self._unary(node)
            case syntax.Binary():
                return self._binary(node)

    def _enum(self, node: syntax.Name) -> Run:
        if node.name not in ENUMS:
            raise self._unknown("symbol", node.name, ENUMS, node.position)
        number = ENUMS[node.name]
        return lambda item: number

    def _unary(self, node: syntax.Unary) -> Run:
        if node.operator == "not":
            holds = self.condition(node.operand)
            return lambda item: not holds(item)
        operand = self.value(node.operand)

        def negated(item: Item) -> Value:
            value = operand(item)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise OttlError(f"-{type_name(value)} is not possible")
            return -value

        return negated

    def _binary(self, node: syntax.Binary) -> Run:
        if node.operator in ("and", "or"):
            first, second = self.condition(node.left), self.condition(node.right)
            if node.operator == "and":
                return lambda item: first(item) and second(item)
            return lambda item: first(item) or second(item)
        left, right, operator = self.value(node.left), self.value(node.right), node.operator
        if operator in "+-*/":
            return lambda item: arithmetic(operator, left(item), right(item))
        return lambda item: compare(operator, left(item), right(item))

    def place(self, node: syntax.Path) -> Accessor:
        found = accessor(self._context, node.segments, [self.value(key) for key in node.keys])
        if isinstance(found, str):
            raise self._wrong(found, node.position)
        return found

    # Calls.

    def editor(self, node: syntax.Call) -> Callable[[Item], None]:
        editor = EDITORS.get(node.name)
        if editor is None:
            raise self._unknown("editor", node.name, EDITORS, node.position)
        arguments = self._arguments(node, editor.parameters)
        call = editor.call
        return lambda item: call(item, *[argument(item) for argument in arguments])

    def _converter(self, node: syntax.Call) -> Run:
        converter = self._named(node.name, node.position)
        arguments = self._arguments(node, converter.parameters)
        keys = [self.value(key) for key in node.keys]
        call, needs_item = converter.call, converter.needs_item

        def run(item: Item) -> Value:
            given = [argument(item) for argument in arguments]
            value = call(item, *given) if needs_item else call(*given)
            for key in keys:
                value = _indexed(value, key(item))
            return value

        return run

    def _named(self, name: str, position: int) -> Converter:
        converter = CONVERTERS.get(name)
        if converter is None:
            raise self._unknown("converter", name, CONVERTERS, position)
        return converter

    def _arguments(self, node: syntax.Call, wanted: Sequence[Parameter]) -> list[Callable[[Item], Any]]:
        if len(node.positional) > len(wanted):
            raise self._wrong(f"{node.name} takes {len(wanted)} arguments at most", node.position)
        given: dict[str, syntax.Expression] = {
            parameter.name: argument for parameter, argument in zip(wanted, node.positional, strict=False)
        }
        known = [parameter.name for parameter in wanted]
        for name, argument in node.named:
            if name not in known:
                raise self._unknown(f"argument of {node.name}", name, known, node.position)
            if name in given:
                raise self._wrong(f"{node.name}: {name} is given twice", node.position)
            given[name] = argument
        found: list[Callable[[Item], Any]] = []
        for parameter in wanted:
            if parameter.name in given:
                found.append(self._argument(node, parameter, given[parameter.name]))
            elif parameter.default is REQUIRED:
                raise self._wrong(f"{node.name} needs {parameter.name}", node.position)
            else:
                found.append(_always(parameter.default))
        return found

    def _argument(self, node: syntax.Call, parameter: Parameter, given: syntax.Expression) -> Callable[[Item], Any]:
        position = node.position
        match parameter.kind:
            case "value":
                return self.value(given)
            case "place":
                if not isinstance(given, syntax.Path):
                    raise self._wrong(f"{node.name}: {parameter.name} is a path", position)
                place = self.place(given)
                if place.set is None:
                    raise self._wrong(f"{'.'.join(given.segments)} can only be read", given.position)
                return _always(place)
            case "function":
                if isinstance(given, syntax.Literal) and given.value is None:
                    return _always(None)
                if not isinstance(given, syntax.Name):
                    raise self._wrong(f"{node.name}: {parameter.name} is the name of a converter", position)
                return _always(self._named(given.name, given.position).call)
        if not isinstance(given, syntax.Literal):
            raise self._wrong(f"{node.name}: {parameter.name} is a constant", position)
        if parameter.kind == "constant":
            return _always(given.value)
        try:
            return _always(glob(str(given.value)) if parameter.kind == "glob" else compiled(str(given.value)))
        except ValueError as problem:
            raise self._wrong(f"{node.name}: {problem}", position) from None

    def _unknown(self, what: str, name: str, known: Any, position: int) -> OttlSyntaxError:
        nearest = get_close_matches(name, list(known), 1, 0.6)
        hint = f"; did you mean {nearest[0]}?" if nearest else f"; there are {', '.join(sorted(known))}"
        return self._wrong(f"unknown {what} {name}{hint}", position)


def _always(value: Any) -> Callable[[Item], Any]:
    return lambda item: value


def _indexed(value: Value, key: Value) -> Value:
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and type(key) is int and 0 <= key < len(value):
        return value[key]
    raise OttlError(f"{type_name(value)} cannot be indexed by {type_name(key)}")
