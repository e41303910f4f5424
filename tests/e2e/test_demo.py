"""The example `stdlib_report.py`: its parts alone, and twice as a program."""

import ast
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_package(name: str) -> None:
    """Import a package of the examples by its path; the examples are not on `sys.path` in tests."""
    folder = EXAMPLES / name
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def part(name: str) -> ModuleType:
    if "stdlib" not in sys.modules:
        load_package("stdlib")
    return importlib.import_module(f"stdlib.{name}")


measure, graph, report, times = part("measure"), part("graph"), part("report"), part("times")
charts, page = part("charts"), part("page")


def measured(name: str, source: str):
    return measure.measure_source(name, dedent(source).encode())


def complexity_of(source: str) -> int:
    (function,) = ast.parse(dedent(source)).body
    return measure.complexity(function)


# --- measuring


@pytest.mark.parametrize(
    ("body", "decisions"),
    [
        ("return x", 0),
        ("if x: return 1", 1),
        ("if x: pass\n elif y: pass\n else: pass", 2),
        ("return 1 if x else 2", 1),
        ("for a in x: pass\n else: pass", 1),
        ("while x: pass", 1),
        ("try: pass\n except A: pass\n except B: pass\n finally: pass", 2),
        ("try: pass\n except* A: pass", 1),
        ("return x and y and z or w", 3),
        ("return [a for b in x for a in b if a if b]", 4),
        ("return {a: 1 for a in x}", 1),
        ("with x: pass", 0),
        ("assert x", 0),
        ("match x:\n  case 1: pass\n  case 2 | 3 if y: pass\n  case _: pass", 3),
        ("match x:\n  case [a]: pass\n  case other: pass", 1),
        ("match x:\n  case 1: pass\n  case _ as a: pass", 1),
        ("return lambda: x if y else z", 1),
        ("def g():\n  if x: pass", 0),
        ("def g(a=x or y): pass", 1),
        ("class C:\n  if x: pass", 0),
    ],
)
def test_complexity_is_the_number_of_decisions_plus_one(body, decisions):
    assert complexity_of(f"def f():\n {body}") == decisions + 1


def test_complexity_of_an_async_function_counts_async_loops_and_comprehensions():
    source = "async def f():\n async for a in x:\n  return [b async for b in a if b]"
    assert complexity_of(source) == 4


def test_complexity_of_a_nest_deeper_than_the_stack_is_counted():
    inner = ast.parse("1").body[0].value
    for _ in range(3 * sys.getrecursionlimit()):
        inner = ast.BoolOp(ast.Or(), [ast.Constant(0), inner])
    function = ast.parse("def f(): pass").body[0]
    function.body = [ast.Expr(inner)]
    assert measure.complexity(function) == 1 + 3 * sys.getrecursionlimit()


def test_a_file_is_measured_whole():
    found = measured(
        "pkg/a.py",
        """\
        import os.path, sys
        from . import b

        class C:
            def method(self):
                def inner():
                    pass
                return inner

        async def f(x):
            from ..c import d as e
            if x:
                return e
        """,
    )
    assert (found.name, found.lines, found.classes) == ("pkg/a.py", 13, 1)
    assert found.functions == (
        ("C.method", 5, 4, 1),
        ("C.method.inner", 6, 2, 1),
        ("f", 10, 4, 2),
    )
    assert found.longest.name == "C.method"
    assert set(found.imports) == {
        (0, "os.path", ()),
        (0, "sys", ()),
        (1, "", ("b",)),
        (2, "c", ("d",)),
    }


def test_no_statement_escapes_the_measures():
    source = Path(ast.__file__).read_bytes() + Path(subprocess.__file__).read_bytes()
    found = measure.measure_source("both.py", source)
    nodes = list(ast.walk(ast.parse(source)))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    imported = sum(len(node.names) for node in nodes if isinstance(node, ast.Import))
    from_imports = sum(isinstance(node, ast.ImportFrom) for node in nodes)
    assert len(found.functions) == len(functions)
    assert found.classes == sum(isinstance(node, ast.ClassDef) for node in nodes)
    assert len(found.imports) == imported + from_imports


def test_an_empty_file_has_nothing():
    found = measure.measure_source("empty.py", b"")
    assert (found.lines, found.classes, found.functions, found.imports) == (0, 0, (), ())
    assert found.longest is None


def test_a_file_that_warns_is_measured_without_a_warning():
    assert measure.measure_source("a.py", b"'\\d'\n1 is 1\n").lines == 2  # warnings are errors here


@pytest.mark.parametrize("content", [b"def", b"# coding: nonsense\n", b"'\xff'", b"a = '\0'"])
def test_a_file_that_cannot_be_parsed_raises_the_error_of_the_parser(content):
    with pytest.raises((SyntaxError, ValueError)):
        measure.measure_source("bad.py", content)


def test_the_digest_tells_names_and_contents_apart():
    pairs = [("a", b"b"), ("ab", b""), ("a", b"c"), ("b", b"b"), ("\udcff", b"b")]
    assert len({measure.content_digest(*pair) for pair in pairs}) == len(pairs)


# --- the import graph


@pytest.mark.parametrize(
    ("file", "module", "package"),
    [
        ("os.py", "os", ""),
        ("json/__init__.py", "json", "json"),
        ("email/mime/text.py", "email.mime.text", "email.mime"),
        ("__init__.py", "__init__", ""),
        ("lib/two.dots.py", "lib.two.dots", "lib"),
    ],
)
def test_a_path_names_a_module_and_its_package(file, module, package):
    assert graph.module_name(file) == module
    assert graph.package_name(file) == package


KNOWN = frozenset({"os", "a", "a.b", "a.b.c", "a.d"})


@pytest.mark.parametrize(
    ("statement", "package", "modules"),
    [
        ((0, "os", ()), "", ["os"]),
        ((0, "os.path", ()), "", ["os"]),
        ((0, "a.b.c", ()), "", ["a.b.c"]),
        ((0, "numpy.linalg", ()), "", []),
        ((0, "a", ("b", "name")), "", ["a.b", "a"]),
        ((0, "a", ("b", "d")), "", ["a.b", "a.d"]),
        ((0, "a", ("*",)), "", ["a"]),
        ((0, "os.path", ("join",)), "", ["os"]),
        ((1, "", ("c",)), "a.b", ["a.b.c"]),
        ((1, "c", ("name",)), "a.b", ["a.b.c"]),
        ((2, "", ("d", "b")), "a.b", ["a.d", "a.b"]),
        ((2, "d", ("name",)), "a.b", ["a.d"]),
        ((1, "", ("name",)), "a", ["a"]),
        ((3, "d", ("name",)), "a.b", []),
        ((1, "os", ("name",)), "", []),
    ],
)
def test_an_import_names_the_nearest_known_modules(statement, package, modules):
    assert list(graph.resolve(measure.Import(*statement), package, KNOWN)) == modules


def test_the_graph_has_every_module_and_no_edge_to_itself_or_outside():
    files = [
        measured("pkg/__init__.py", "from .a import x\nimport pkg\n"),
        measured("pkg/a.py", "import numpy\nfrom . import b\nfrom .b import y\n"),
        measured("pkg/b.py", "import pkg.a\n"),
        measured("alone.py", "import pkg\n"),
    ]
    found = graph.build_graph(files)
    assert found.edges == {
        "alone": ("pkg",),
        "pkg": ("pkg.a",),
        "pkg.a": ("pkg.b",),
        "pkg.b": ("pkg.a",),
    }
    assert found.components == (("pkg.a", "pkg.b"),)
    assert found.size == 4
    assert found.importers() == {"alone": 0, "pkg": 1, "pkg.a": 2, "pkg.b": 1}


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({}, []),
        ({"a": ()}, ["a"]),
        ({"a": ("b",), "b": ()}, ["a", "b"]),
        ({"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",)}, ["abc", "d"]),
        ({"a": ("b", "c"), "b": ("a",), "c": ("d",), "d": ("c",)}, ["ab", "cd"]),
        ({"a": ("b",), "b": ("c", "a"), "c": ("a", "d"), "d": ("e",), "e": ("d",)}, ["abc", "de"]),
    ],
)
def test_components_are_the_strongly_connected_ones(edges, expected):
    assert sorted("".join(sorted(each)) for each in graph.components(edges)) == expected


def test_components_of_a_ring_longer_than_the_stack_are_found():
    size = 3 * sys.getrecursionlimit()
    ring = {str(node): (str((node + 1) % size),) for node in range(size)}
    (component,) = graph.components(ring)
    assert len(component) == size


def test_components_agree_with_reachability():
    nodes = [str(number) for number in range(40)]
    edges = {
        node: tuple(nodes[(int(node) * 7 + step * step) % 40] for step in range(int(node) % 3))
        for node in nodes
    }
    reached = {node: reachable(node, edges) for node in nodes}
    together = {
        frozenset(other for other in reached[node] if node in reached[other]) for node in nodes
    }
    assert {frozenset(component) for component in graph.components(edges)} == together


def reachable(start: str, edges: dict[str, tuple[str, ...]]) -> set[str]:
    found, pending = {start}, [start]
    while pending:
        new = set(edges[pending.pop()]) - found
        found |= new
        pending += new
    return found


# --- the report and its page

NASTY = "<script>alert('&\"')</script>"


def small_report(names=("a.py", "b.py"), failures=()):
    source = "import b\ndef f(x):\n return x and 1\n"
    corpus = report.Corpus(tuple(measured(name, source) for name in names), tuple(failures))
    return report.build_report(corpus, graph.build_graph(corpus.files))


def some_times(earlier=None):
    spread = times.Spread.of([0.001, 0.003])
    return times.Times(
        seconds=0.5,
        executed=2,
        hits=0,
        failed=1,
        tried_again=0,
        measuring=spread,
        hitting=times.NO_CALLS,
        failing=spread,
        inside=spread,
        earlier=earlier,
        speedup=earlier and earlier.seconds / 0.5,
        storage=times.Storage(NASTY, 3, 4096, 2048),
    )


def test_the_report_does_not_depend_on_the_order_of_the_files():
    failures = [report.Failure("z", "E", "1"), report.Failure("y", "E", "2")]
    assert small_report(("a.py", "b.py"), failures) == small_report(
        ("b.py", "a.py"), failures[::-1]
    )


def test_the_report_counts_and_ranks():
    found = small_report(failures=[report.Failure("z.py", "SyntaxError", "no")])
    assert found.totals["files"] == 3
    assert found.totals["failed"] == 1
    assert found.totals["functions"] == 2
    assert [each.file for each in found.most_complex] == ["a.py", "b.py"]
    assert sum(band.number for band in found.complexity_bands) == 2
    assert found.most_imported == (report.Count("b", 1),)


def test_a_corpus_is_known_by_contents_and_failures():
    file, failure = measured("a.py", "x = 1"), report.Failure("b.py", "E", "m")
    corpora = [
        report.Corpus((file,), ()),
        report.Corpus((file,), (failure,)),
        report.Corpus((measured("a.py", "x = 2"),), ()),
        report.Corpus((measured("c.py", "x = 1"),), ()),
    ]
    assert len({corpus.digest for corpus in corpora}) == len(corpora)
    assert report.Corpus((measured("a.py", "x = 1"),), ()).digest == corpora[0].digest


class Page(HTMLParser):
    """What a page loads and runs, and whether each of its tags is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_escapes_all_text_and_needs_nothing_beside_it():
    failures = [report.Failure(NASTY, NASTY, NASTY)]
    text = page.render_page(NASTY, small_report((f"{NASTY}/a.py", "b.py"), failures), some_times())
    found = Page(text)
    assert found.open == []
    assert "svg" in found.tags
    assert not found.tags & {"script", "link", "img", "iframe"}
    assert not found.attributes & {"src", "href", "style", "onload", "onclick"}
    assert "alert('" not in text
    assert "http" not in text
    assert "url(" not in text


def test_a_page_about_nothing_is_still_a_page():
    text = page.render_page("nothing", small_report(names=()), some_times())
    assert Page(text).open == []


def test_a_chart_escapes_and_shortens_its_labels():
    drawn = charts.bar_chart(NASTY, [charts.Bar(NASTY * 3, 2.0), charts.Bar("b", 0.0)], "<")
    assert "<script" not in drawn
    assert "…" in drawn
    columns = charts.column_chart(NASTY, [charts.Bar(NASTY, 0.0)])
    assert "<script" not in columns
    assert len(charts.shorten("x" * 100, 9)) == 9


@pytest.mark.parametrize(("seconds", "said"), [(2.0, "4.0 times as fast as"), (0.1, "slower than")])
def test_a_run_is_compared_with_the_first(seconds, said):
    earlier = times.RunRecord(seconds, 2, 0, times.NO_CALLS)
    assert said in some_times(earlier).comparison
    assert some_times().comparison == ""


# --- the program


def run_demo(folder: Path, *options: str) -> dict:
    """Run the example in a process of its own with a home in `folder`; what it wrote and said."""
    json_path, html_path = folder / "report.json", folder / "report.html"
    environment = {key: value for key, value in os.environ.items() if key[:7] != "UPSHOT_"}
    script = str(EXAMPLES / "stdlib_report.py")
    done = subprocess.run(
        [sys.executable, script, "--json", json_path, "--html", html_path, *options],
        cwd=folder,
        env={**environment, "UPSHOT_HOME": str(folder / "home"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(json_path.read_text())
    return {
        "times": document.pop("times"),
        "report": json.dumps(document),
        "page": html_path.read_text(encoding="utf-8"),
        "said": done.stdout,
    }


def without_times(text: str) -> str:
    parts = re.split(
        f"{re.escape(page.TIMES_BEGIN)}.*{re.escape(page.TIMES_END)}", text, flags=re.S
    )
    assert len(parts) == 2
    return "".join(parts)


@pytest.fixture
def sources(tmp_path):
    """Five files, two of which import each other and one of which is broken."""
    root = tmp_path / "sources"
    (root / "pkg").mkdir(parents=True)
    (root / "site-packages").mkdir()
    (root / "pkg" / "__init__.py").write_text("")
    (root / "pkg" / "a.py").write_text("from . import b\ndef f(x): return x and b\n")
    (root / "pkg" / "b.py").write_text("from .a import f\n")
    (root / "top.py").write_text("import pkg.a\nclass C: pass\n")
    (root / "broken <&>.py").write_text("def f(:\n")
    (root / "site-packages" / "installed.py").write_text("def f(:\n")
    return root


def test_a_second_run_calls_nothing_that_has_a_result_and_reports_the_same(tmp_path, sources):
    first = run_demo(tmp_path, "--root", str(sources))
    second = run_demo(tmp_path, "--root", str(sources))
    assert_first_run(first, measured=4, failed=1)
    assert_second_run(first, second)
    (failure,) = json.loads(second["report"])["failed"]
    assert failure == {
        "file": "broken <&>.py",
        "error": "SyntaxError",
        "message": "invalid syntax (broken <&>.py, line 1)",
    }
    assert json.loads(second["report"])["cycles"] == [["pkg.a", "pkg.b"]]
    assert "broken &lt;&amp;&gt;.py" in second["page"]
    assert "\x1b" not in second["said"]


def assert_first_run(run: dict, *, measured: int, failed: int) -> None:
    expected = {"executed": measured, "hits": 0, "failed": failed, "tried_again": 0}
    assert run["times"].items() >= expected.items()
    assert run["times"]["earlier"] is None
    assert run["times"]["inside"]["calls"] == measured + failed
    assert run["times"]["storage"]["blobs"] >= measured
    assert run["times"]["storage"]["bytes"] > run["times"]["storage"]["bytes_of_measures"] > 0


def assert_second_run(first: dict, second: dict) -> None:
    failed = first["times"]["failed"]
    expected = {"executed": 0, "hits": first["times"]["executed"], "tried_again": failed}
    assert second["times"].items() >= expected.items()
    assert second["times"]["inside"]["calls"] == failed
    assert second["times"]["earlier"]["seconds"] == first["times"]["seconds"]
    assert second["report"] == first["report"]
    assert without_times(second["page"]) == without_times(first["page"])
    assert "the first run over these files" in second["said"]


def test_only_what_changed_is_measured_again(tmp_path, sources):
    run_demo(tmp_path, "--root", str(sources))
    (sources / "top.py").write_text("import pkg.b\n")
    (sources / "broken <&>.py").write_text("repaired = True\n")
    third = run_demo(tmp_path, "--root", str(sources))
    assert third["times"].items() >= {"executed": 2, "hits": 3, "failed": 0}.items()
    assert third["times"]["earlier"] is None


def test_fresh_measures_all_again_and_limit_the_first_few(tmp_path, sources):
    run_demo(tmp_path, "--root", str(sources))
    fresh = run_demo(tmp_path, "--root", str(sources), "--fresh")
    assert_first_run(fresh, measured=4, failed=1)
    limited = run_demo(tmp_path, "--root", str(sources), "--limit", "2")
    assert json.loads(limited["report"])["totals"]["files"] == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_standard_library_is_measured_once(tmp_path):
    first = run_demo(tmp_path)
    second = run_demo(tmp_path)
    totals = json.loads(first["report"])["totals"]
    assert totals["files"] >= 600
    assert_first_run(first, measured=totals["measured"], failed=totals["failed"])
    assert_second_run(first, second)
    assert second["times"]["speedup"] > 2
