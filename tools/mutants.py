#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Removes one protocol check at a time and expects the simulator to notice; changes the codecs' arithmetic, and the source of the CUDA kernels,
and expects the unit tests to.

tools/mutants.py --build build/release [--schedules 400] [--only NAME]

Each mutant is a text replacement in one source file, compiled into a copy of sim_tests (for the codecs unit_tests, for the
kernels device_codec_tests) next to the build. A mutant that survives means that the check is not tested, or not needed: exit status 1.
"""
import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import mutants_of_codecs as codecs  # noqa: E402
import mutants_of_kernels as kernels  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Duplicate frames are stopped twice, by the receive window and by the chunk they belong to, so no single mutant shows them.
# name, file, text to replace, replacement, sources to compile (default: the file itself)
MUTANTS = [
    ("trust damaged frames", "lib/wire/frame.cpp",
     "reader.u64() != checksum(header, payload)", "(reader.u64(), false)", None),
    ("never time out", "lib/link/send_window.cpp",
     "    flow_of(record).stalled_until = now + timeout;\n    mark_lost(&record);\n", "", None),
    ("forget what a broken stream carried", "lib/link/session_streams.cpp",
     "  if (s.state == Stream::State::Up) window_.stream_lost(stream);\n  s.state = Stream::State::Down;",
     "  s.state = Stream::State::Down;", None),
    ("never dial again", "lib/link/session_streams.cpp",
     "static_cast<int>(i) < wanted_streams() && s.state == Stream::State::Down && now",
     "!s.was_up && s.state == Stream::State::Down && now", None),
    ("never acknowledge", "lib/link/session.cpp",
     "  return ack_now_ || (ack_since_ != kNever", "  return false && (ack_since_ != kNever", None),
    ("acknowledge one too many", "lib/link/send_window.cpp",
     "    const std::uint64_t s = cumulative + 1 + i;", "    const std::uint64_t s = cumulative + 2 + i;", None),
    ("free a slot when it is sent", "lib/link/send_window.cpp",
     "  record->state = Record::State::InFlight;\n", "  record->state = Record::State::InFlight;\n  record->blob = {};\n", None),
    ("sum sites in reverse order", "lib/engine/chunk_combine.cpp",
     "    for (int site = 0; site < plan.sites(); ++site)\n      if (run->chunk.from(site))",
     "    for (int site = plan.sites() - 1; site >= 0; --site)\n      if (run->chunk.from(site))", None),
    ("drop contributions that come early", "lib/engine/engine_messages.cpp",
     "  if (ahead) {\n    early_.push_back({std::move(held), false});\n  } else {", "  if (ahead) {\n    held.consume();\n  } else {", None),
    ("take any early message of the call", "lib/engine/engine_messages.cpp",
     "!announcement && message.chunk == run->chunk.index", "!announcement", None),
    ("take the slot of the result last", "lib/engine/chunk_run.cpp",
     "    if (run->chunk.to(plan.site()) && !place_result(run)) return site::Collected::Waiting;\n    if (plan.exchanges()) {",
     "    if (!plan.exchanges() && !place_result(run)) return site::Collected::Waiting;\n    if (plan.exchanges()) {", None),
    ("combine before all sites are in", "lib/engine/engine_chunks.cpp",
     "wanted && run->missing == 0 && run->wan_sent", "wanted && run->wan_sent", None),
    ("keep residuals of a call that failed", "lib/engine/feedback.cpp", "  if (keep) std::swap(now_, next_);", "  std::swap(now_, next_);", None),
    ("let calls of a tag overtake each other", "lib/engine/feedback.cpp", "  return turn_ == call;", "  return true;", None),
    ("forget residuals", "lib/engine/feedback.cpp", "  if (keep) std::swap(now_, next_);", "  (void)keep;", None),
    ("feed back into another chunk", "lib/engine/chunk_run.cpp", "feedback->after(run.chunk.index)", "feedback->after(0)", None),
    ("do not divide an average", "lib/plan/plan.cpp",
     "  if (call_.op != lhAvg || !call_.reduces()) return 1;", "  if (call_.op != lhMax || !call_.reduces()) return 1;", None),
    ("never probe a silent peer", "lib/link/session_streams.cpp",
     "  if (!options_.dialer && !departed_ && now >= next_probe_) {", "  if (false) {", None),
    ("do not tell others of a failure", "lib/engine/engine_failure.cpp",
     "  telling_ = true;\n  // Last", "  telling_ = destroyed;\n  // Last", None),
]


def compile_commands(build):
    return {str(pathlib.Path(entry["file"]).resolve()): entry for entry in json.load(open(build / "compile_commands.json"))}


def link_command(build, program):
    lines = subprocess.run(["ninja", "-C", str(build), "-t", "commands", program], capture_output=True, text=True, check=True)
    command = [line for line in lines.stdout.splitlines() if f" -o bin/{program}" in line][-1]
    return command.split("&&")[1].strip() if command.startswith(":") else command


def build_mutant(build, commands, link, mutant, work):
    name, file, old, new, sources = mutant
    text = (ROOT / file).read_text()
    if text.count(old) != 1:
        raise SystemExit(f"mutants: '{name}': its text stands {text.count(old)} times in {file}: adapt tools/mutants.py")
    patched = work / file
    patched.parent.mkdir(parents=True, exist_ok=True)
    patched.write_text(text.replace(old, new))
    objects, replaced = [], []
    for number, source in enumerate(sources or [file]):
        entry = commands[str((ROOT / source).resolve())]
        words = shlex.split(entry["command"])
        target = work / f"{number}.o"
        replaced.append(words[words.index("-o") + 1])
        words[words.index("-o") + 1] = str(target)
        if source == file:
            words[words.index("-c") + 1] = str(patched)
        # The patched header must win, so its folders come before all others.
        compiler = 2 if "ccache" in words[0] else 1
        words = words[:compiler] + [f"-I{work / 'lib'}", f"-I{work}"] + words[compiler:]
        words = [word for word in words if word not in ("-Werror", "-O3")] + ["-O1", "-w", codecs.FEWER_TARGETS]
        subprocess.run(words, cwd=entry["directory"], check=True)
        objects.append(str(target))
    program = work / "tests"
    words = shlex.split(link)
    words[words.index("-o") + 1] = str(program)
    first = next(i for i, word in enumerate(words) if word.endswith(".o"))
    rest = [word for word in words[first:] if word not in replaced]  # the program's own; those of the library come too late to count
    subprocess.run(words[:first] + objects + rest, cwd=build, check=True)
    return program


def survives(program, filters, schedules):
    environment = dict(os.environ, LH_SIM_SCHEDULES=str(schedules))
    how = ""
    for tests in filters:
        survived, how = passes([str(program), tests, "-a"], environment)
        if not survived:
            return False, how
    return True, how


def passes(command, environment):
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=120, text=True)
    except subprocess.TimeoutExpired:
        return False, "did not end"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith(('"', "seed", "SIG"))]
    return done.returncode == 0, " ".join(lines[:2])[:100] or f"status {done.returncode}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build folder with sim_tests in it")
    parser.add_argument("--schedules", type=int, default=400)
    parser.add_argument("--only", help="run mutants whose name contains this")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    commands, alive = compile_commands(build), []
    all_mutants = [(m, "sim_tests", ["~*replays*"]) for m in MUTANTS] + [(m, "unit_tests", codecs.FILTERS) for m in codecs.MUTANTS]
    all_mutants += [(m, "device_codec_tests", kernels.FILTERS) for m in kernels.MUTANTS]
    chosen = [m for m in all_mutants if not arguments.only or arguments.only in m[0][0]]
    for mutant, tests, filters in chosen:
        link = link_command(build, tests)
        with tempfile.TemporaryDirectory() as work:
            survived, how = survives(build_mutant(build, commands, link, mutant, pathlib.Path(work)), filters, arguments.schedules)
        print(f"{'SURVIVED' if survived else 'killed  '}  {mutant[0]}: {how}", flush=True)
        if survived:
            alive.append(mutant[0])
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
