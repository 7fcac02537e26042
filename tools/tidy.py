#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what no compiler checks: that includes point down the layers, lengths, banned calls, self-contained headers,
licence lines, left-over marks, and what the library exports. Prints one finding a line; exit status 1 if there is any.

  tools/tidy.py [--fast] [--build build/release] [--root DIR]

--build   also looks at the library built there, and takes include paths from its compile_commands.json
--fast    leaves out compiling every header alone
"""
import argparse
import ast
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tidy_source import functions, strip_comments_and_strings, strip_preprocessor

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70

# What each folder of lib/ (and kernels/) may include besides itself and the public headers. docs/architecture.md.
LAYERS = {
    "base": set(),
    "wire": {"base"},
    "kernels": set(),
    "device": {"base", "kernels"},
    "security": {"base"},
    "codec": {"base", "kernels"},
    "site": {"base", "wire", "device", "kernels"},
    "transport": {"base"},
    "link": {"base", "wire"},
    "plan": {"base"},
    "config": {"base", "codec"},
    "engine": {"base", "wire", "device", "kernels", "security", "codec", "site", "transport", "link", "plan"},
    "bootstrap": {"base", "security", "config", "site"},
}
LAYERS["api"] = set(LAYERS)

# In lib/ and kernels/, searched in code without comments and strings: words, and calls of functions.
BANNED_WORDS = {
    "a clock that jumps": r"\b(?:system_clock|high_resolution_clock|gettimeofday)\b",
    "writes to stdout": r"\b(?:cout|stdout)\b",
    "sleeps": r"\bthis_thread::sleep_",
    "new or delete": r"(?<!operator )\bnew\b|(?<!operator )(?<!= )\bdelete\b",
    "goto": r"\bgoto\b",
}
BANNED_CALLS = {
    "ends the process": ("exit", "_exit", "_Exit", "quick_exit", "abort", "terminate"),
    "unseeded random numbers": ("rand", "srand", "random", "srandom", "drand48"),
    "writes to stdout": ("printf", "vprintf", "puts", "putchar"),
    "sleeps": ("sleep", "usleep", "nanosleep", "clock_nanosleep"),
    "malloc": ("malloc", "calloc", "realloc"),
}

# (rule, file): why. An entry that matches nothing is a finding, so the list cannot rot.
ALLOWED = {
    ("ends the process", "lib/base/check.cpp"): "the one place where a broken invariant ends the process",
    ("sleeps", "lib/api/first_calls.cpp"): "bring-up waits for the engine's thread and for an abort; nothing can signal both yet",
    ("sleeps", "lib/api/nccl_exchange.cpp"): "bring-up waits for a GPU, which signals nobody",
    ("sleeps", "lib/device/turnstile.cpp"): "the last moment of a communicator: nothing signals when a foreign stream has passed",
    ("sleeps", "lib/bootstrap/mpi_exchange.cpp"): "a non-blocking MPI collective has no descriptor to wait on",
    ("new or delete", "lib/api/lifecycle.cpp"): "the C handle is the caller's owning pointer",
    ("a clock that jumps", "lib/engine/trace.cpp"): "traces of several machines are laid side by side by wall-clock time",
    ("new or delete", "lib/link/blob.cpp"): "memory that must not be cleared first: make_unique would write every page",
}

CODE = {".h", ".hpp", ".c", ".cpp", ".cu", ".cuh"}
SOURCE = CODE | {".py", ".sh", ".cmake", ".toml"}
LEFT_OVER = re.compile(r"TODO\(no[w]\)|FIXM[E]")
LOCAL_PATH = re.compile(r"(?<![\w./-])/(?:wor[k]|roo[t]|home/\w+|Users/\w+)/")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


class Tidy:
    def __init__(self, root):
        self.root = Path(root).resolve()
        self.findings = []
        self.allowed_used = set()
        self.texts = dict(self.read_all())

    def find(self, path, line, text):
        self.findings.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")

    def read_all(self):
        for folder, folders, files in os.walk(self.root):
            top = Path(folder) == self.root
            folders[:] = sorted(f for f in folders if f not in (".git", ".cache", "__pycache__", "shared")
                                and not (top and f.startswith("build")))
            for name in sorted(files):
                path = Path(folder) / name
                if path.is_symlink() or not path.is_file():
                    continue
                try:
                    yield path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue

    def sources(self, *folders):
        for path, text in self.texts.items():
            if Path(path).suffix in CODE and (not folders or path.split("/")[0] in folders):
                yield path, text

    # ---- rules -------------------------------------------------------------------------------------------------------

    def check_layers(self):
        for path, text in self.sources("lib", "kernels"):
            own = path.split("/")[1] if path.startswith("lib/") else "kernels"
            if own not in LAYERS:
                self.find(path, 0, f"folder '{own}' is no layer: add it to LAYERS and docs/architecture.md")
                continue
            for line, name in includes(text):
                target = name.split("/")[0] if "/" in name else None
                if name == "longhaul/longhaul.hpp":
                    self.find(path, line, "the library must not include its C++ wrapper")
                elif target in LAYERS and target != own and target not in LAYERS[own]:
                    self.find(path, line, f"layer {own} must not include {name}: allowed are {sorted(LAYERS[own])}")
                elif own == "kernels" and target == "longhaul" and name != "longhaul/longhaul.h":
                    self.find(path, line, f"kernels include only themselves and longhaul/longhaul.h, not {name}")
        self.check_quoted_includes()

    def check_quoted_includes(self):
        for path, text in self.sources("lib", "kernels", "include", "benchmarks", "examples"):
            top = path.split("/")[0]
            for line, name in includes(text):
                quoted = f'"{name}"' in text.splitlines()[line - 1]
                layer = name.split("/")[0] in LAYERS and "/" in name
                if top == "include" and (quoted or layer):
                    self.find(path, line, f"public headers include nothing of the library: {name}")
                elif top in ("benchmarks", "examples") and layer and not name.startswith(("kernels/", "codec/", "device/", "site/nccl/nccl_comm.h")):
                    self.find(path, line, f"{top} use the public headers only, not {name}")
                elif top in ("lib", "kernels") and quoted and not layer:
                    self.find(path, line, f"write the include as folder/file.h, relative to lib/: {name}")

    def check_lengths(self):
        for path, text in self.texts.items():
            suffix = Path(path).suffix
            if not (suffix in SOURCE or path.endswith("CMakeLists.txt")):
                continue
            lines = text.count("\n") + (not text.endswith("\n"))
            if lines > MAX_FILE_LINES:
                self.find(path, 0, f"{lines} lines: at most {MAX_FILE_LINES}")
            try:
                found = python_functions(text) if suffix == ".py" else functions(text) if suffix in CODE else []
            except (ValueError, SyntaxError) as error:
                self.find(path, 0, f"cannot find its functions: {error}")
                continue
            for name, first, last in found:
                if last - first + 1 > MAX_FUNCTION_LINES:
                    self.find(path, first, f"{name} has {last - first + 1} lines: at most {MAX_FUNCTION_LINES}")

    def check_banned(self):
        for path, text in self.sources("lib", "kernels"):
            code = strip_preprocessor(strip_comments_and_strings(text))
            for rule, at in banned(code):
                if (rule, path) in ALLOWED:
                    self.allowed_used.add((rule, path))
                    continue
                line = code.count("\n", 0, at) + 1
                self.find(path, line, f"{rule}: {text.splitlines()[line - 1].strip()[:80]}")
        for (rule, path) in ALLOWED:
            if path in self.texts and (rule, path) not in self.allowed_used:
                self.find("tools/tidy.py", 0, f"ALLOWED names '{rule}' in {path}, which no longer does that: remove it")

    def check_texts(self):
        for path, text in self.texts.items():
            head = text.split("\n", 3)[:3]
            script = head[0].startswith("#!")
            is_source = Path(path).suffix in SOURCE or path.endswith("CMakeLists.txt") or script
            if is_source and text.strip() and "SPDX-License-Identifier: Apache-2.0" not in "\n".join(head):
                self.find(path, 1, "no line 'SPDX-License-Identifier: Apache-2.0' at its top")
            for number, line in enumerate(text.split("\n"), 1):
                if mark := LEFT_OVER.search(line):
                    self.find(path, number, f"left-over mark {mark.group()}")
                if local := LOCAL_PATH.search(line):
                    self.find(path, number, f"a path of somebody's machine: {local.group()}")

    def check_headers(self, build):
        commands = compile_flags(build)
        proven = self.proven_headers(commands)
        headers = [p for p, _ in self.sources() if Path(p).suffix in (".h", ".hpp") and p not in proven]
        jobs = [(p, "c++") for p in headers]
        jobs += [(p, "c") for p in headers if p.startswith("include/") and p.endswith(".h")]
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            for (path, _), error in zip(jobs, pool.map(lambda job: self.compile_header(*job, commands), jobs)):
                if error:
                    self.find(path, 0, f"does not compile alone: {error}")

    def proven_headers(self, commands):
        """Headers that a source of the build includes before all else: compiling that has shown that they stand alone. Not
        those of the tests, whose precompiled header comes first."""
        proven = set()
        for path, text in self.sources():
            first = next((name for _, name in includes(text)), None)
            if first and Path(path).suffix == ".cpp" and not path.startswith("tests/") and self.root / path in commands:
                places = (f"{Path(path).parent.as_posix()}/{first}", "lib/" + first, first)
                proven.update([place for place in places if place in self.texts][:1])
        return proven

    def compile_header(self, path, language, commands):
        if language == "c":
            compiler = [os.environ.get("CC", "gcc"), "-std=c99", "-pedantic-errors", "-Wall", "-Werror"]
        else:
            compiler = [os.environ.get("CXX", "g++"), "-std=c++20"]
        flags = [f"-I{self.root / folder}" for folder in ("include", "lib", ".", "tests")]
        if not path.startswith("include/"):  # there, <mpi.h> would be longhaul/mpi.h
            flags.append(f"-I{(self.root / path).parent}")
        flags += flags_for(self.root / path, commands)
        done = subprocess.run(compiler + flags + ["-fsyntax-only", "-x", language, "-"], text=True, capture_output=True,
                              input=f'#include "{self.root / path}"\n', check=False)
        if done.returncode == 0 or re.search(r"fatal error: (?:mpi|cuda_runtime_api)\.h: No such file", done.stderr):  # a build without them
            return None
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        return (errors or done.stderr.splitlines() or ["the compiler failed"])[0]

    def check_library(self, library):
        if not library.exists():
            self.find(str(library), 0, "is not built: build the target longhaul first")
            return
        done = subprocess.run(["nm", "-D", "--defined-only", str(library)], text=True, capture_output=True, check=False)
        names = [fields[2].split("@")[0] for fields in map(str.split, done.stdout.splitlines())
                 if len(fields) == 3 and fields[1] != "A"]
        if done.returncode != 0 or not names:
            self.find(str(library), 0, f"nm finds no exported symbols: {done.stderr.strip()}")
        for name in names:
            if not re.match(r"lh[A-Z]", name):
                self.find(str(library), 0, f"exports {name}: only lh* belongs to the interface")


def includes(text):
    """(line, name) of every include that is not commented out."""
    kept = strip_comments_and_strings(text, keep_strings=True)
    for match in INCLUDE.finditer(kept):
        yield kept.count("\n", 0, match.start(1)) + 1, match.group(1)


def banned(code):
    """(rule, position) of everything in BANNED_WORDS and BANNED_CALLS."""
    for rule, pattern in BANNED_WORDS.items():
        for match in re.finditer(pattern, code):
            yield rule, match.start()
    for rule, names in BANNED_CALLS.items():
        for match in re.finditer(rf"(?:\bstd\s*::|::)?\b(?:{'|'.join(names)})\s*\(", code):
            if is_call(code[: match.start()]):
                yield rule, match.start()


def is_call(before):
    """Whether a name behind `before` is the C function, and not a member or a declaration of that name."""
    if before.endswith((".", "->", "::", "~")) or re.search(r"\w$", before):
        return False
    word = re.search(r"(\w+)\s+$", before[-80:])
    return not word or word.group(1) in ("return", "else", "do", "co_return")


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno


def compile_flags(build):
    """{source file: its -I, -isystem and -D flags} of a build."""
    database = Path(build) / "compile_commands.json" if build else None
    if database is None or not database.exists():
        return {}
    flags = {}
    for entry in json.loads(database.read_text(encoding="utf-8")):
        words, kept = shlex.split(entry["command"]), []
        for i, word in enumerate(words):
            if word == "-isystem":
                kept += [word, words[i + 1]]
            elif word.startswith(("-I", "-D")):
                kept.append(word)
        flags[Path(entry["file"])] = kept
    return flags


def flags_for(header, commands):
    """The flags of all source files in the closest folder around the header that has any."""
    for folder in header.parents:
        near = [flags for source, flags in commands.items() if folder in source.parents]
        if near:
            together = dict.fromkeys(flag for flags in near for flag in joined(flags))
            return [word for flag in together for word in flag]
    return []


def joined(flags):
    """Flags as tuples, so that -isystem stays with its folder."""
    words = iter(flags)
    for word in words:
        yield (word, next(words)) if word == "-isystem" else (word,)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--build", type=Path)
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args(arguments)
    tidy = Tidy(options.root)
    if not any(True for _ in tidy.sources()):
        parser.error(f"{options.root} holds no sources")
    tidy.check_layers()
    tidy.check_lengths()
    tidy.check_banned()
    tidy.check_texts()
    if not options.fast:
        tidy.check_headers(options.build)
    if options.build:
        tidy.check_library(options.build / "lib" / "liblonghaul.so")
    print("\n".join(tidy.findings) if tidy.findings else f"tidy: {len(tidy.texts)} files, nothing to say")
    return 1 if tidy.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
