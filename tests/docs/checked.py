"""Python code whose comments are checked while it runs.

``expression  # -> text`` says what the expression (or what is assigned) looks like: its ``repr``,
or what is printed if it is a call of ``print``. ``statement  # raises Error: text`` says that the
statement fails, and how. ``...`` in the text stands for anything. Every check must be reached.
"""

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, NamedTuple

_CHECK = re.compile(r"#\s*(?:->\s*(?P<value>.+)|raises\s+(?P<error>\w+)(?::\s*(?P<text>.+))?)$")
_HOLDERS = ("body", "orelse", "finalbody")


class Promise(NamedTuple):
    """What a comment says of its line: a value, or an error and its text."""

    line: int
    value: str | None
    error: str | None
    text: str | None


class Checks:
    """The promises of one page, and those that were kept."""

    def __init__(self) -> None:
        self.made: dict[int, Promise] = {}
        self.kept: set[int] = set()

    def value(self, line: int, value: object) -> object:
        """*value*, once it has turned out to look as promised in *line*."""
        self._compare(line, self.made[line].value, repr(value))
        return value

    def printed(self, line: int) -> Callable[..., None]:
        """A ``print`` whose output must look as promised in *line*."""

        def print_and_compare(*values: object, **options: Any) -> None:
            written = io.StringIO()
            print(*values, file=written, **options)
            sys.stdout.write(written.getvalue())
            self._compare(line, self.made[line].value, written.getvalue().rstrip("\n"))

        return print_and_compare

    @contextmanager
    def raises(self, line: int) -> Iterator[None]:
        """Pass if the block fails as promised in *line*."""
        promise = self.made[line]
        try:
            yield
        except Exception as error:
            if type(error).__name__ != promise.error:
                raise
            self._compare(line, promise.text, str(error))
        else:
            raise AssertionError(f"line {line}: nothing was raised, not {promise.error}")

    def unreached(self) -> list[int]:
        """The lines whose promises were never put to the test."""
        return sorted(self.made.keys() - self.kept)

    def _compare(self, line: int, expected: str | None, found: str) -> None:
        if expected is not None and not matches(expected, found):
            raise AssertionError(f"line {line}: expected {expected}\n{'':>{8}}found {found}")
        self.kept.add(line)


def matches(expected: str, found: str) -> bool:
    """Whether *found* is *expected*, in which ``...`` stands for anything."""
    pattern = ".*".join(map(re.escape, expected.split("...")))
    return re.fullmatch(pattern, found, re.DOTALL) is not None


def compiled(text: str, filename: str, first_line: int, checks: Checks) -> CodeType:
    """The code of *text*, which stands in *filename* from *first_line* on, with its checks.

    The code looks its checks up as ``__checks__``. It is a coroutine if there is an ``await``
    outside functions, see ``is_coroutine``.

    Raises:
        SyntaxError: the text is no Python, or a check belongs to nothing.
    """
    promises = {promise.line: promise for promise in _promises(text, first_line)}
    tree = ast.parse("\n" * (first_line - 1) + text, filename)
    unclaimed = set(promises)
    tree.body = _with_checks(tree.body, promises, unclaimed)
    if unclaimed:
        raise SyntaxError(f"{filename}, line {min(unclaimed)}: this check belongs to no statement")
    checks.made.update(promises)
    ast.fix_missing_locations(tree)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    return code


def is_coroutine(code: CodeType) -> bool:
    """Whether running *code* gives a coroutine to be awaited."""
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _promises(text: str, first_line: int) -> Iterator[Promise]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (found := _CHECK.match(token.string)):
            line = token.start[0] + first_line - 1
            yield Promise(line, found["value"], found["error"], found["text"])


def _with_checks(
    body: list[ast.stmt], promises: dict[int, Promise], unclaimed: set[int]
) -> list[ast.stmt]:
    return [_checked(statement, promises, unclaimed) for statement in body]


def _checked(statement: ast.stmt, promises: dict[int, Promise], unclaimed: set[int]) -> ast.stmt:
    """*statement* with the checks of its lines, the innermost statement first."""
    for node in (statement, *getattr(statement, "handlers", ())):
        for holder in _HOLDERS:
            if inner := getattr(node, holder, None):
                setattr(node, holder, _with_checks(inner, promises, unclaimed))
    own = sorted(unclaimed.intersection(_lines(statement)))
    for line in own:
        changed = _claimed(statement, promises[line])
        if changed is not None:
            statement = changed
            unclaimed.remove(line)
    return statement


def _lines(statement: ast.stmt) -> range:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (statement.end_lineno or first) + 1)


def _claimed(statement: ast.stmt, promise: Promise) -> ast.stmt | None:
    """*statement* with the check of *promise*, or None if it cannot have it."""
    if promise.error is not None:
        block = ast.With([ast.withitem(_check("raises", promise))], [statement])
        return ast.copy_location(block, statement)
    if promise.line != statement.end_lineno:
        return None
    if isinstance(statement, ast.Expr) and (call := _call_of_print(statement.value)):
        call.func = _check("printed", promise)
    elif isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)) and statement.value:
        statement.value = ast.copy_location(
            _check("value", promise, statement.value), statement.value
        )
    else:
        return None
    return statement


def _call_of_print(value: ast.expr) -> ast.Call | None:
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return None
    return value if value.func.id == "print" else None


def _check(name: str, promise: Promise, *values: ast.expr) -> ast.Call:
    checks = ast.Attribute(ast.Name("__checks__", ast.Load()), name, ast.Load())
    return ast.Call(checks, [ast.Constant(promise.line), *values], [])
