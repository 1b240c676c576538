"""Statements and conditions as trees, and the parser that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from spanledger.processors.ottl.errors import OttlSyntaxError
from spanledger.processors.ottl.lexer import Kind, Token, tokens, unquoted

DEEPEST: Final = 50
"""Expressions in expressions."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool | bytes | None


@dataclass(frozen=True, slots=True)
class Name:
    """An enum symbol, or a converter given as a function: which, the compiler knows."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Path:
    """`span.attributes["a"][0]`: segments and keys."""

    segments: tuple[str, ...]
    keys: tuple[Expression, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """An editor or a converter, with the keys that index its result."""

    name: str
    positional: tuple[Expression, ...]
    named: tuple[tuple[str, Expression], ...]
    keys: tuple[Expression, ...]
    position: int


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    items: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`or`, `and`, a comparison or arithmetic."""

    operator: str
    left: Expression
    right: Expression


Expression: TypeAlias = Literal | Name | Path | Call | ListOf | MapOf | Unary | Binary


@dataclass(frozen=True, slots=True)
class Statement:
    """`editor(…) where condition`."""

    editor: Call
    condition: Expression | None
    text: str


def parse_statement(text: str) -> Statement:
    """Raises `OttlSyntaxError`."""
    parser = _Parser(text)
    statement = parser.statement()
    parser.end()
    return statement


def parse_condition(text: str) -> Expression:
    """Raises `OttlSyntaxError`."""
    parser = _Parser(text)
    condition = parser.expression()
    parser.end()
    return condition


_COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "nil": None}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0

    # Tokens.

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _accept(self, *texts: str) -> Token | None:
        token = self._next
        if token.kind in (Kind.OPERATOR, Kind.NAME) and token.text in texts:
            return self._take()
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._wrong(f"expected {text!r}, found {self._next}")

    def _wrong(self, message: str, position: int | None = None) -> OttlSyntaxError:
        return OttlSyntaxError(message, self._text, self._next.position if position is None else position)

    def end(self) -> None:
        if self._next.kind is not Kind.END:
            raise self._wrong(f"unexpected {self._next}")

    # Grammar.

    def statement(self) -> Statement:
        token = self._next
        if token.kind is not Kind.NAME or not token.text[0].islower():
            raise self._wrong(f"expected an editor such as set(…), found {token}")
        self._take()
        if self._next.text != "(":
            raise self._wrong(f"expected '(' after {token.text}, found {self._next}")
        editor = self._call(token)
        if editor.keys:
            raise self._wrong("the result of an editor cannot be indexed", editor.position)
        condition = self.expression() if self._accept("where") else None
        return Statement(editor, condition, self._text)

    def expression(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"more than {DEEPEST} expressions in expressions")
        left = self._conjunction()
        while self._accept("or"):
            left = Binary("or", left, self._conjunction())
        self._depth -= 1
        return left

    def _conjunction(self) -> Expression:
        left = self._negation()
        while self._accept("and"):
            left = Binary("and", left, self._negation())
        return left

    def _negation(self) -> Expression:
        negations = 0
        while self._accept("not"):
            negations += 1
        operand = self._comparison()
        return Unary("not", operand) if negations % 2 else operand

    def _comparison(self) -> Expression:
        left = self._sum()
        if self._next.kind is Kind.OPERATOR and self._next.text in _COMPARISONS:
            return Binary(self._take().text, left, self._sum())
        return left

    def _sum(self) -> Expression:
        left = self._product()
        while operator := self._accept("+", "-"):
            left = Binary(operator.text, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._primary()
        while operator := self._accept("*", "/"):
            left = Binary(operator.text, left, self._primary())
        return left

    def _primary(self) -> Expression:
        token = self._take()
        match token.kind:
            case Kind.STRING:
                return Literal(unquoted(token, self._text))
            case Kind.INT:
                return Literal(int(token.text))
            case Kind.FLOAT:
                return Literal(float(token.text))
            case Kind.BYTES:
                digits = token.text[2:]
                if len(digits) % 2:
                    raise self._wrong("bytes need an even number of digits", token.position)
                return Literal(bytes.fromhex(digits))
            case Kind.NAME:
                return self._named(token)
        match token.text:
            case "(":
                inner = self.expression()
                self._expect(")")
                return inner
            case "[":
                return ListOf(tuple(self._separated("]")))
            case "{":
                return self._map()
            case "-":
                operand = self._primary()
                if isinstance(operand, Literal) and isinstance(operand.value, int | float):
                    return Literal(-operand.value)
                return Unary("-", operand)
        raise self._wrong(f"expected a value, found {token}", token.position)

    def _named(self, token: Token) -> Expression:
        if token.text in _WORDS:
            return Literal(_WORDS[token.text])
        if self._next.text == "(":
            if token.text[0].islower():
                raise self._wrong(f"{token.text} is an editor; values come from converters", token.position)
            return self._call(token)
        if token.text[0].isupper():
            return Name(token.text, token.position)
        segments = [token.text]
        while self._accept("."):
            segment = self._take()
            if segment.kind is not Kind.NAME:
                raise self._wrong(f"expected a name after '.', found {segment}", segment.position)
            segments.append(segment.text)
        return Path(tuple(segments), self._keys(), token.position)

    def _call(self, name: Token) -> Call:
        self._expect("(")
        positional: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        while not self._accept(")"):
            if positional or named:
                self._expect(",")
            token, after = self._next, self._tokens[min(self._at + 1, len(self._tokens) - 1)]
            if token.kind is Kind.NAME and after.text == "=":
                self._at += 2
                named.append((token.text, self.expression()))
            elif named:
                raise self._wrong("a positional argument after a named one")
            else:
                positional.append(self.expression())
        return Call(name.text, tuple(positional), tuple(named), self._keys(), name.position)

    def _keys(self) -> tuple[Expression, ...]:
        keys: list[Expression] = []
        while self._accept("["):
            keys.append(self.expression())
            self._expect("]")
        return tuple(keys)

    def _separated(self, end: str) -> list[Expression]:
        items: list[Expression] = []
        while not self._accept(end):
            if items:
                self._expect(",")
            items.append(self.expression())
        return items

    def _map(self) -> MapOf:
        items: list[tuple[str, Expression]] = []
        while not self._accept("}"):
            if items:
                self._expect(",")
            key = self._take()
            if key.kind is not Kind.STRING:
                raise self._wrong(f"expected a text as key, found {key}", key.position)
            self._expect(":")
            items.append((unquoted(key, self._text), self.expression()))
        return MapOf(tuple(items))
