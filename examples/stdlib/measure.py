"""Parse one Python file and measure it. Pure: a name and bytes in, a `FileMeasures` out."""

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class FunctionMeasures(NamedTuple):
    """A function or method: its dotted name in the file, its first line, length and complexity."""

    name: str
    line: int
    lines: int
    complexity: int


class Import(NamedTuple):
    """One import as it is written: `from ..a import b` is level 2, module "a", names ("b",)."""

    level: int
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileMeasures:
    """What is known of one file. `name` is its path below the root, with forward slashes."""

    name: str
    digest: str
    lines: int
    classes: int
    functions: tuple[FunctionMeasures, ...]
    imports: tuple[Import, ...]

    @property
    def longest(self) -> FunctionMeasures | None:
        """The function with the most lines; the first of them where several have as many."""
        return max(self.functions, key=lambda function: function.lines, default=None)


def content_digest(name: str, content: bytes) -> str:
    """A file's BLAKE2b digest of 128 bits; the NUL keeps name and content apart."""
    return blake2b(
        name.encode(errors="surrogateescape") + b"\0" + content, digest_size=16
    ).hexdigest()


def measure_source(name: str, content: bytes) -> FileMeasures:
    """Measure the Python file `name`; raises what the parser raises, mostly `SyntaxError`."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a file's own doubtful literals are not this program's warnings
        tree = ast.parse(content, filename=name)
    scoped = list(_statements(tree))
    functions = [
        _measure_function(node, scope) for node, scope in scoped if isinstance(node, FunctionNode)
    ]
    return FileMeasures(
        name=name,
        digest=content_digest(name, content),
        lines=len(content.splitlines()),
        classes=sum(isinstance(node, ast.ClassDef) for node, _ in scoped),
        functions=tuple(sorted(functions, key=lambda function: (function.line, function.name))),
        imports=tuple(each for node, _ in scoped for each in _imports(node)),
    )


def complexity(function: FunctionNode) -> int:
    """McCabe's cyclomatic complexity of a function: its decisions plus one.

    Counted by predicates, as the paper's simplification allows: every `if`, `elif`, conditional
    expression, loop, `except`, comprehension `for` and `if`, every `case` that can fail and its
    guard, and each further operand of an `and` or `or`. A lambda counts into its function; a nested
    function or class is a graph of its own, so only its decorators, defaults and bases count here.

    Source: T. J. McCabe, "A Complexity Measure", IEEE Transactions on Software Engineering
    SE-2(4), 1976, pages 308 to 320.
    """
    return 1 + sum(
        _decisions(node) for statement in function.body for node in _own_nodes(statement)
    )


def _decisions(node: ast.AST) -> int:
    """How many two-way decisions this node alone adds."""
    count = DECISIONS.get(type(node))
    return count(node) if count else 0


def _case_decisions(case: ast.match_case) -> int:
    return (not _always_matches(case.pattern)) + (case.guard is not None)


def _one(_: ast.AST) -> int:
    return 1


def _always_matches(pattern: ast.pattern) -> bool:
    """Whether a pattern is irrefutable: `_`, a bare name, or an alternative that ends in one."""
    match pattern:
        case ast.MatchAs(pattern=inner):
            return inner is None or _always_matches(inner)
        case ast.MatchOr(patterns=patterns):
            return any(_always_matches(each) for each in patterns)
        case _:
            return False


DECISIONS: dict[type[ast.AST], Callable[[Any], int]] = {
    ast.AsyncFor: _one,
    ast.BoolOp: lambda node: len(node.values) - 1,
    ast.ExceptHandler: _one,
    ast.For: _one,
    ast.If: _one,
    ast.IfExp: _one,
    ast.While: _one,
    ast.comprehension: lambda node: 1 + len(node.ifs),
    ast.match_case: _case_decisions,
}


def _own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """`root` and all below it in the same scope; iterative, as sources outgrow the stack."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, FunctionNode):
            defaults = [default for default in node.args.kw_defaults if default is not None]
            pending += [*node.decorator_list, *node.args.defaults, *defaults]
        elif isinstance(node, ast.ClassDef):
            pending += [*node.decorator_list, *node.bases, *node.keywords]
        else:
            pending.extend(ast.iter_child_nodes(node))


def _statements(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every statement of a file, however nested, with the dotted prefix of the scopes around it."""
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, scope = pending.pop()
        yield node, scope
        if isinstance(node, ast.ClassDef | FunctionNode):
            scope = f"{scope}{node.name}."
        pending.extend((child, scope) for block in BLOCKS for child in getattr(node, block, ()))


def _measure_function(node: FunctionNode, scope: str) -> FunctionMeasures:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    return FunctionMeasures(f"{scope}{node.name}", node.lineno, lines, complexity(node))


def _imports(statement: ast.AST) -> Iterator[Import]:
    """What an import statement imports; nothing for any other."""
    if isinstance(statement, ast.Import):
        yield from (Import(0, alias.name, ()) for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        names = tuple(alias.name for alias in statement.names)
        yield Import(statement.level, statement.module or "", names)
