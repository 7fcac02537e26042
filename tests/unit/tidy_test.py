#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/tidy.py on small trees that break one rule each, and its function finder on the shapes of this repository's code."""
import contextlib
import importlib.util
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOOLS))
spec = importlib.util.spec_from_file_location("tidy", TOOLS / "tidy.py")
tidy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tidy)

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
GOOD = {
    "include/longhaul/longhaul.h": "/* SPDX-License-Identifier: Apache-2.0 */\n#include <stddef.h>\n",
    "lib/base/bytes.h": SPDX + "#pragma once\n#include <cstddef>\ninline std::size_t one() { return 1; }\n",
    "lib/wire/frame.cpp": SPDX + '#include "base/bytes.h"\nvoid frame() { one(); }\n',
}


def write(folder, files):
    for name, text in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run(files, build=None, fast=True, base=True):
    """(exit status, output) of tidy on a tree of these files."""
    arguments = (["--fast"] if fast else []) + (["--build", build] if build else [])
    with tempfile.TemporaryDirectory() as folder:
        write(folder, {**(GOOD if base else {}), **files})
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = tidy.main(["--root", folder, *arguments])
        return status, out.getvalue()


class TidyTest(unittest.TestCase):
    def bad(self, files, *expected, **options):
        status, output = run(files, **options)
        for text in expected:
            self.assertIn(text, output)
        self.assertEqual(len(output.splitlines()), len(expected), output)
        self.assertEqual(status, 1)

    def good(self, files, **options):
        status, output = run(files, **options)
        self.assertEqual(status, 0, output)
        self.assertIn("nothing to say", output)

    def test_good_tree(self):
        self.good({})

    def test_empty_tree(self):
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            run({"README.md": "x"}, base=False)


class Layers(TidyTest):
    def include(self, path, name):
        return {path: SPDX + f'#include "{name}"\n'}

    def test_every_allowed_and_every_other_pair(self):
        for own in tidy.LAYERS:
            for target in tidy.LAYERS:
                path = f"{'' if own == 'kernels' else 'lib/'}{own}/a.cpp"
                files = self.include(path, f"{target}/x.h")
                if target == own or target in tidy.LAYERS[own]:
                    self.good(files)
                else:
                    self.bad(files, f"{path}:2: layer {own} must not include {target}/x.h")

    def test_no_cycles(self):
        order = []
        while len(order) < len(tidy.LAYERS):
            ready = [name for name, below in tidy.LAYERS.items() if name not in order and below - {name} <= set(order)]
            self.assertTrue(ready, f"layers in a cycle: {set(tidy.LAYERS) - set(order)}")
            order += ready

    def test_angle_brackets_do_not_hide_it(self):
        self.bad({"lib/base/a.h": SPDX + "#include <engine/engine.h>\n"}, "lib/base/a.h:2: layer base must not")

    def test_commented_include_does_not_count(self):
        self.good({"lib/base/a.h": SPDX + '// #include "engine/engine.h"\n/*\n#include "api/comm.h"\n*/\n'})

    def test_subfolder_belongs_to_its_layer(self):
        self.bad(self.include("lib/transport/ucx/a.cpp", "link/session.h"), "layer transport must not include link/session.h")

    def test_unknown_folder(self):
        self.bad({"lib/misc/a.cpp": SPDX}, "folder 'misc' is no layer")

    def test_include_without_folder(self):
        self.bad(self.include("lib/wire/b.cpp", "frame.h"), "lib/wire/b.cpp:2: write the include as folder/file.h")

    def test_wrapper_in_library(self):
        self.bad({"lib/api/a.cpp": SPDX + "#include <longhaul/longhaul.hpp>\n"}, "must not include its C++ wrapper")

    def test_kernels_take_one_public_header(self):
        self.good({"kernels/a.h": SPDX + "#include <longhaul/longhaul.h>\n"})
        self.bad({"kernels/a.h": SPDX + "#include <longhaul/mpi.h>\n"}, "kernels include only themselves")

    def test_public_headers(self):
        self.bad(self.include("include/longhaul/more.h", "base/bytes.h"), "public headers include nothing of the library")
        self.bad({"include/longhaul/more.h": SPDX + "#include <base/bytes.h>\n"}, "public headers include nothing")

    def test_programs(self):
        for top in ("benchmarks", "examples"):
            self.bad(self.include(f"{top}/a.cpp", "engine/engine.h"), f"{top} use the public headers only")
            self.good(self.include(f"{top}/a.cpp", "own.h"))


class Lengths(TidyTest):
    def function(self, lines):
        return SPDX + "namespace a {\nint f(int x) {\n" + "  ++x;\n" * (lines - 2) + "}\n}\n"

    def test_function(self):
        self.good({"lib/base/a.cpp": self.function(70)})
        self.bad({"lib/base/a.cpp": self.function(71)}, "lib/base/a.cpp:3: f has 71 lines: at most 70")

    def test_signature_counts(self):
        text = self.function(70).replace("f(int x)", "f(\n    int x)")
        self.bad({"lib/base/a.cpp": text}, "f has 71 lines")

    def test_python_function(self):
        head = "# SPDX-License-Identifier: Apache-2.0\ndef f():\n"
        self.good({"tools/a.py": head + "    x = 1\n" * 69})
        self.bad({"tools/a.py": head + "    x = 1\n" * 70}, "tools/a.py:2: f has 71 lines")

    def test_file(self):
        self.good({"lib/base/a.cpp": SPDX + "int a;\n" * 399})
        self.bad({"lib/base/a.cpp": SPDX + "int a;\n" * 400}, "lib/base/a.cpp: 401 lines: at most 400")
        self.bad({"a.sh": "# SPDX-License-Identifier: Apache-2.0\n" + "true\n" * 400}, "a.sh: 401 lines")

    def test_unbalanced_is_said(self):
        self.bad({"lib/base/a.cpp": SPDX + "int f() {\n"}, "cannot find its functions: the brace of line 2")
        self.bad({"lib/base/a.cpp": SPDX + "int a;\n}\n"}, "cannot find its functions: line 3 closes")


class Banned(TidyTest):
    def call(self, code, expected):
        files = {"lib/engine/a.cpp": SPDX + "void g() {\n" + code + "\n}\n"}
        if expected:
            self.bad(files, f"lib/engine/a.cpp:3: {expected}")
        else:
            self.good(files)

    def test_calls(self):
        for code, rule in (
            ("exit(1);", "ends the process"), ("std::abort();", "ends the process"), ("::_exit(2);", "ends the process"),
            ("if (x) return abort();", "ends the process"), ("if (x) abort ();", "ends the process"),
            ("std::terminate();", "ends the process"), ("int x = rand();", "unseeded"), ("x = y & std::rand();", "unseeded"),
            ("auto t = std::chrono::system_clock::now();", "a clock"), ("std::cout << 1;", "writes to stdout"),
            ("printf();", "writes to stdout"), ("std::fprintf(stdout, x);", "writes to stdout"),
            ("std::this_thread::sleep_for(x);", "sleeps"), ("usleep(3);", "sleeps"), ("auto* p = new int;", "new or delete"),
            ("auto* p = new (place) int;", "new or delete"), ("delete p;", "new or delete"), ("goto end;", "goto"),
            ("p = std::malloc(3);", "malloc"),
        ):
            with self.subTest(code):
                self.call(code, rule)

    def test_lookalikes(self):
        for code in (
            "engine.abort();", "engine->abort();", "Engine::abort();", "runner.exit(1);", "on_exit(1);", "// exit(1);",
            'log("exit(1); new delete goto");', "/* std::cout */", "void abort();", "std::fprintf(stderr, x);", "snprintf(a);",
            "int renewed = 1;", "A(const A&) = delete;", "void* operator new(std::size_t);", "char c = '\"'; char d = '\"';",
            "auto s = R\"(exit(1); \" new)\";", "int n = 1'000'000; // new\n", "#include <new>",
        ):
            with self.subTest(code):
                self.call(code, None)

    def test_only_in_the_library(self):
        self.good({"benchmarks/a.cpp": SPDX + "int main() { printf(0); exit(1); }\n"})
        self.bad({"kernels/a.cpp": SPDX + "void f() { exit(1); }\n"}, "kernels/a.cpp:2: ends the process")

    def test_allowed(self):
        self.good({"lib/base/check.cpp": SPDX + "void f() { std::abort(); }\n"})
        self.bad({"lib/base/check.cpp": SPDX + "void f() { std::abort(); goto x; }\n"}, "lib/base/check.cpp:2: goto")
        self.bad({"lib/base/check.cpp": SPDX}, "names 'ends the process' in lib/base/check.cpp, which no longer")
        for reason in tidy.ALLOWED.values():
            self.assertGreater(len(reason), 20)


class Texts(TidyTest):
    def test_licence(self):
        for path in ("lib/base/a.h", "a.py", "a.sh", "cmake/a.cmake", "x/CMakeLists.txt", "a.toml", "tests/a.c"):
            self.bad({path: "\n\n\n\n" + ("x = 1" if path.endswith("py") else "int a;")}, f"{path}:1: no line")
        self.bad({"run": "#!/bin/sh\n"}, "run:1: no line")
        self.good({"README.md": "text\n", "run": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"})

    def test_left_overs(self):
        self.bad({"docs/a.md": "one\nFIX" + "ME\n"}, "docs/a.md:2: left-over mark")
        self.bad({"lib/base/a.h": SPDX + "// TODO" + "(now)\n"}, "lib/base/a.h:2: left-over mark")
        self.good({"lib/base/a.h": SPDX + "// TODO(#12): later\n"})

    def test_paths(self):
        for path in ("/wo" + "rk/x", "/ho" + "me/somebody/x", "/ro" + "ot/.ssh/x"):
            self.bad({"a.md": f"see\nin {path}\n"}, "a.md:2: a path of somebody's machine")
        self.good({"a.md": "docs/work/x $HOME/root/ /usr/lib/x\n"})

    def test_build_folder_is_not_looked_at(self):
        self.good({"build/a.h": "x", "build-asan/b.h": "x", ".git/c.h": "x"})


class Compiled(TidyTest):
    def test_self_contained(self):
        self.good({"lib/base/a.h": SPDX + "#pragma once\n#include <string>\ninline std::string f() { return {}; }\n"}, fast=False)
        bad = {"lib/base/a.h": SPDX + "#pragma once\ninline std::string f() { return {}; }\n"}
        self.bad(bad, "lib/base/a.h: does not compile alone: ", fast=False)
        self.good(bad)

    def test_public_header_is_c99(self):
        text = "/* SPDX-License-Identifier: Apache-2.0 */\ninline bool f() { return true; }\n"
        self.bad({"include/longhaul/a.h": text}, "include/longhaul/a.h: does not compile alone: ", fast=False)

    def test_header_that_a_built_source_includes_first(self):
        files = {
            "lib/base/a.cpp": '#include "base/a.h"\n#include "base/b.h"\n',
            "lib/base/c.cpp": '#include "base/c.h"\n',
            "examples/d.cpp": '#include "d.h"\n',
            "tests/e.cpp": '#include "e.h"\n',
            **{f"{name}.h": "" for name in ("lib/base/a", "lib/base/b", "lib/base/c", "examples/d", "tests/e")},
        }
        with tempfile.TemporaryDirectory() as folder:
            write(folder, files)
            found = tidy.Tidy(folder)
            built = {found.root / path: [] for path in ("lib/base/a.cpp", "examples/d.cpp", "tests/e.cpp")}
            self.assertEqual(found.proven_headers(built), {"lib/base/a.h", "examples/d.h"})

    def test_exports(self):
        with tempfile.TemporaryDirectory() as folder:
            self.build(folder, "int lhGood(void) { return 0; }")
            self.good({}, build=folder)
            self.build(folder, "int lhGood(void) { return 0; } int lh_bad(void) { return 1; } int Bad;")
            self.bad({}, "exports lh_bad", "exports Bad", build=folder)
            self.build(folder, "static int none;")
            self.bad({}, "nm finds no exported symbols", build=folder)

    def build(self, folder, code):
        (Path(folder) / "lib").mkdir(exist_ok=True)
        library = f"{folder}/lib/liblonghaul.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-nostdlib", "-x", "c", "-", "-o", library], input=code, text=True, check=True)

    def test_not_built(self):
        with tempfile.TemporaryDirectory() as folder:
            self.bad({}, "is not built", build=folder)


class Functions(unittest.TestCase):
    def found(self, text):
        return [(name, last - first + 1) for name, first, last in tidy.functions(text)]

    def test_shapes(self):
        for text, expected in (
            ("int f() { return 1; }", [("f", 1)]),
            ("int f();\nint a[] = {1, 2};\nstruct A { int b = 1; int c{2}; };\nenum class E { X, Y };", []),
            ("namespace a::b {\nnamespace {\nvoid f() {\n  if (x) {\n    y();\n  }\n}\n}\n}", [("f", 5)]),
            ("class A : public B<int> {\n public:\n  int g() const { return 1; }\n private:\n  int h() {\n  }\n};", [("g", 1), ("h", 2)]),
            ("A::A(int x) : a_(x), b_{1}, c_{{2}, 3} {\n  f();\n}", [("A::A", 3)]),
            ("A::A(int x)\n    : a_{x} {}\nint f() {\n}", [("A::A", 2), ("f", 2)]),
            ("A::~A() {\n}", [("A::~A", 2)]),
            ("template <typename T, typename U = std::map<int, T>>\nT f(T x) {\n}", [("f", 3)]),
            ("template <typename T>\nclass A {\n  void f() {\n  }\n};", [("f", 2)]),
            ("bool operator==(const A& a) {\n}\nvoid operator()(int x) {\n}", [("operator==", 2), ("operator()", 2)]),
            ("void f(A a = {}, B b = {1, 2}) {\n}", [("f", 2)]),
            ("const auto f = [](int x) {\n  return x;\n};", [("f", 3)]),
            ("constexpr int kX = [] {\n  return 1;\n}();\nvoid g() {}", [("kX", 3), ("g", 1)]),
            ("auto f() -> std::vector<int> {\n}", [("f", 2)]),
            ("auto f(int x) noexcept(true) -> int {\n}", [("f", 2)]),
            ("void f() {\n  auto g = [&] {\n    h();\n  };\n  for (int i = 0; i < 3; ++i) {\n  }\n}", [("f", 7)]),
            ("TEST_CASE(\"a { b\", \"[unit]\") {\n  SECTION(\"x\") {\n  }\n}", [("TEST_CASE", 4)]),
            ("extern \"C\" {\nint f(void) {\n}\n}", [("f", 2)]),
            ("struct alignas(64) A {\n  void f() {\n  }\n};", [("f", 2)]),
            ("static struct A make(void) {\n}", [("make", 2)]),
            ("#define F(x) {\\\n {\nvoid f() {\n}", [("f", 2)]),
            ("int main() try {\n} catch (...) {\n}", [("main", 2), ("catch", 2)]),
            ("void f() { char a = '{'; char b = '\\''; const char* c = \"}\"; /* { */ }  // {", [("f", 1)]),
            ("constexpr std::array<K, 2> k{{\n  {\"a\", [](int x) { return x; }},\n  {\"b\", g},\n}};\nvoid f() {\n}", [("f", 2)]),
        ):
            with self.subTest(text):
                self.assertEqual(self.found(text), expected)

    def test_unbalanced(self):
        for text in ("void f() {", "}", "namespace a { void f() { } } }"):
            with self.assertRaises(ValueError):
                self.found(text)

    def test_finds_them_in_this_repository(self):
        text = (TOOLS.parent / "lib/api/collectives.cpp").read_text(encoding="utf-8")
        names = [name for name, _ in self.found(text)]
        for name in ("lhAllReduce", "lhAllReduceEx", "lhBroadcast", "lhRequestWait"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main()
