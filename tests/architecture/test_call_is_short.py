"""The contract reads in one sitting.

Everything later is one more policy behind ``call.py``; whoever writes one must be able to hold the
contract in the head. When this test fails, something moved in that belongs in a policy, in
``bridge`` or in ``keys``: move it there rather than raise the number.
"""

import ast
import io
import tokenize
from pathlib import Path

from tests.architecture.import_graph import PACKAGE

MOST_LINES = 130
SILENT = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def code_lines(source: str) -> int:
    """Lines that hold code: no docstrings, no comments, no blank lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {
        line
        for token in tokens
        if token.type not in SILENT
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docstring_lines(ast.parse(source)))


def docstring_lines(tree: ast.Module) -> set[int]:
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if isinstance(node.value.value, str)
    }


def test_call_reads_in_one_sitting() -> None:
    source = Path(PACKAGE / "call.py").read_text("utf-8")
    assert code_lines(source) <= MOST_LINES


def test_only_code_is_counted() -> None:
    source = '"""Says\n\nmuch."""\n\n# why\nx = [\n    1,  # one\n]\n\ndef f():\n    "Doc."\n'
    assert code_lines(source + "    return x\n") == 5
