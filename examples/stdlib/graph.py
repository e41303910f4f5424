"""From the imports of many files to a graph of modules, and its strongly connected components."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .measure import FileMeasures, Import

Edges = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ImportGraph:
    """Which module imports which: `edges` has every module as a key, its imports sorted."""

    edges: dict[str, tuple[str, ...]]
    components: tuple[tuple[str, ...], ...]

    @property
    def size(self) -> int:
        """The number of edges."""
        return sum(map(len, self.edges.values()))

    def importers(self) -> dict[str, int]:
        """For every module, how many others import it."""
        counts = dict.fromkeys(self.edges, 0)
        for imported in self.edges.values():
            for module in imported:
                counts[module] += 1
        return counts


def build_graph(files: Iterable[FileMeasures]) -> ImportGraph:
    """The import graph of these files; what they import from elsewhere is left out.

    An edge leads to the module that the text names: `import a.b` to `a.b` and not to `a`, `from a
    import b` to `a.b` where that is a module and else to `a`. Components are the cycles: two
    modules or more, largest first.
    """
    files = list(files)
    known = frozenset(module_name(file.name) for file in files)
    found: dict[str, set[str]] = {module: set() for module in known}
    for file in files:
        importer = module_name(file.name)
        for statement in file.imports:
            found[importer].update(resolve(statement, package_name(file.name), known))
        found[importer].discard(importer)
    edges = {module: tuple(sorted(found[module])) for module in sorted(found)}
    cycles = [tuple(sorted(component)) for component in components(edges) if len(component) > 1]
    return ImportGraph(edges, tuple(sorted(cycles, key=lambda cycle: (-len(cycle), cycle))))


def module_name(name: str) -> str:
    """The dotted name of a file: "email.mime.text" for "email/mime/text.py"."""
    path = PurePosixPath(name)
    if path.name == "__init__.py" and path.parent.parts:
        path = path.parent
    return ".".join([*path.parent.parts, path.name.removesuffix(".py")])


def package_name(name: str) -> str:
    """The dotted name of the folder of the file `name`, where its relative imports start."""
    return ".".join(PurePosixPath(name).parent.parts)


def resolve(statement: Import, package: str, known: frozenset[str]) -> Iterator[str]:
    """The known modules that an import statement names when it stands in `package`.

    A relative import that leaves its top package names nothing, as Python would refuse it.
    """
    base = _absolute(statement, package)
    if base is None:
        return
    submodules = [f"{base}.{name}" for name in statement.names if f"{base}.{name}" in known]
    yield from submodules
    if len(submodules) == len(statement.names) and statement.names:
        return
    nearest = _nearest(base, known)
    if nearest:
        yield nearest


def _absolute(statement: Import, package: str) -> str | None:
    """The module that a statement starts from: one dot is the package, each further one up."""
    if statement.level == 0:
        return statement.module
    parts = package.split(".") if package else []
    kept = len(parts) - (statement.level - 1)
    if kept < 1:
        return None
    return ".".join([*parts[:kept], *filter(None, [statement.module])])


def _nearest(module: str, known: frozenset[str]) -> str | None:
    """`module` or the nearest known one above it: `os.path` is an attribute of os.py."""
    while module and module not in known:
        module = module.rpartition(".")[0]
    return module or None


def components(edges: Edges) -> list[list[str]]:
    """The strongly connected components of a graph that has every node as a key.

    Tarjan's algorithm with the recursion unrolled into a list of iterators, O(nodes + edges).
    Source: R. Tarjan, "Depth-First Search and Linear Graph Algorithms", SIAM Journal on
    Computing 1(2), 1972, pages 146 to 160.
    """
    search = _Search(edges)
    for node in edges:
        if node not in search.index:
            search.visit(node)
    return search.found


class _Search:
    """A depth-first search; `low[v]` is the smallest index known to be reachable from v."""

    def __init__(self, edges: Edges) -> None:
        self.edges = edges
        self.index: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.stack: list[str] = []
        self.on_stack: set[str] = set()
        self.found: list[list[str]] = []

    def visit(self, root: str) -> None:
        """Find the components of all that `root` reaches and nobody has visited."""
        path = [(root, self._enter(root))]
        while path:
            node, following = path[-1]
            for target in following:
                if target not in self.index:
                    path.append((target, self._enter(target)))
                    break
                if target in self.on_stack:
                    self.low[node] = min(self.low[node], self.index[target])
            else:
                path.pop()
                self._leave(node, path[-1][0] if path else None)

    def _enter(self, node: str) -> Iterator[str]:
        self.index[node] = self.low[node] = len(self.index)
        self.stack.append(node)
        self.on_stack.add(node)
        return iter(self.edges[node])

    def _leave(self, node: str, parent: str | None) -> None:
        if parent is not None:
            self.low[parent] = min(self.low[parent], self.low[node])
        if self.low[node] == self.index[node]:
            component = [self.stack.pop()]
            while component[-1] != node:
                component.append(self.stack.pop())
            self.on_stack.difference_update(component)
            self.found.append(component)
