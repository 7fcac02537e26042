#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real jobs of several processes over 127.0.0.1: results, deaths, stalls, strangers, bring-up.

usage: process_test.py WORKER [name of a test ...]

Needs nothing but Python 3. Every process has a hard timeout; only processes started here are signalled. A test that
fails prints what its workers said.
"""
import os
import random
import signal
import socket
import struct
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from process_job import Failed, Job, check, listening_places, throw

SUCCESS, REMOTE_ERROR, TIMEOUT, SITE_LOST, AUTH_FAILED, ABORTED = 0, 6, 8, 16, 17, 19


def check_finished(workers):
    for worker in workers:
        _, code, text = worker.end()
        check(code == SUCCESS, f"{worker.name} ended with {code}: {text}")
        worker.wait_exit()
        check(not any(line.startswith("wrong") for _, line in worker.lines), f"{worker.name} got wrong numbers")


# ---- A job that goes well ---------------------------------------------------------------------------------------------


def test_every_codec():
    with Job() as job:
        check_finished(job.start_all(("run", "8")))


def test_unequal_sites():
    with Job(sizes=(1, 3)) as job:
        check_finished(job.start_all(("run", "4")))


def test_emulated_wan():
    with Job(wan="emulate_rtt=10ms,emulate_rate=1gbit,emulate_loss=0.001") as job:
        check_finished(job.start_all(("run", "4")))


def test_non_blocking():
    with Job() as job:
        check_finished(job.start_all(("nonblocking", "3")))


# ---- Processes that die or stand still ---------------------------------------------------------------------------------


def running(job, rounds=2):
    workers = job.start_all()
    for worker in workers:
        worker.wait_line(f"round {rounds}")
    return workers


def kill_one(victim_index):
    with Job() as job:
        workers = running(job)
        victim = workers[victim_index]
        killed = time.monotonic()
        victim.signal(signal.SIGKILL)
        for worker in workers:
            if worker is victim:
                continue
            when, code, text = worker.end(15)
            check(code in (REMOTE_ERROR, SITE_LOST), f"{worker.name} ended with {code}: {text}")
            check(when - killed < 5, f"{worker.name} noticed after {when - killed:.1f} s only")
            check(any(name in text for name in job.names), f"{worker.name} names no site: {text}")
            worker.wait_exit(12)


def test_killed_rank_0():
    kill_one(0)


def test_killed_last_rank():
    kill_one(3)


def test_killed_site():
    with Job() as job:
        workers = running(job)
        killed = time.monotonic()
        for worker in workers[2:]:
            worker.signal(signal.SIGKILL)
        for worker in workers[:2]:
            when, code, text = worker.end(15)
            check(code in (REMOTE_ERROR, SITE_LOST), f"{worker.name} ended with {code}: {text}")
            check(when - killed < 5, f"{worker.name} noticed after {when - killed:.1f} s only")
            check("atlanta" in text, f"{worker.name} does not name the site: {text}")
            worker.wait_exit(12)


def test_stopped_rank():
    with Job(WORKER_TIMEOUT_MS="2000") as job:
        workers = running(job)
        victim = workers[3]
        victim.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        for worker in workers[:3]:
            when, code, text = worker.end(15)
            check(code == TIMEOUT, f"{worker.name} ended with {code}: {text}")
            check(when - stopped < 3.5, f"{worker.name} ended after {when - stopped:.1f} s, 3 s were promised")
            check("atlanta" in text, f"{worker.name} does not name the site of the stopped rank: {text}")
        check(any(victim.name in worker.end()[2] for worker in workers[:3]), "nobody names the stopped rank")
        for worker in workers[:3]:
            worker.wait_exit(12)
        victim.signal(signal.SIGCONT)
        check(victim.end(10)[1] != SUCCESS, "the stopped rank succeeded alone")
        victim.wait_exit(12)


# ---- Bring-up that fails -----------------------------------------------------------------------------------------------


def test_missing_rank():
    for missing in ((1, 0), (1, 1), (0, 1)):
        with Job(wan="timeout=2s") as job:
            begun = time.monotonic()
            here = [(site, rank) for site in (0, 1) for rank in (0, 1) if (site, rank) != missing]
            workers = [job.start(site, rank) for site, rank in here]
            for worker in workers:
                when, code, text = worker.end(15)
                check(code == TIMEOUT, f"{worker.name} ended with {code}: {text}")
                check(when - begun < 4.5, f"{worker.name} ended after {when - begun:.1f} s")
                check(job.names[missing[0]] in text, f"{worker.name} does not name the missing rank's site: {text}")
                worker.wait_exit(5)
            # The others of its site may be the only ones who know which rank it is.
            texts = [worker.end()[2] for worker in workers]
            check(missing[1] == 0 or any(f"rank {missing[1]} " in text for text in texts), f"nobody names rank {missing[1]}: {texts}")


def stranger(**changes):
    """A rank of the other site with another secret or run id: it fails at once, the waiting rank at its deadline."""
    with Job(sizes=(1, 1), wan="timeout=4s") as job:
        if "secret" in changes:
            changes = {"LONGHAUL_SECRET_FILE": job.secret("other.secret", changes["secret"])}
        begun = time.monotonic()
        waiting = job.start(0, 0)
        caller = job.start(1, 0, **changes)
        when, code, text = caller.end(15)
        check(code == AUTH_FAILED, f"the stranger ended with {code}: {text}")
        check(when - begun < 3, f"the stranger was refused after {when - begun:.1f} s only")
        when, code, text = waiting.end(15)
        check(code == AUTH_FAILED, f"the waiting rank ended with {code}: {text}")
        check(3 < when - begun < 6, f"the waiting rank ended after {when - begun:.1f} s, its deadline is 4 s")
        for worker in (waiting, caller):
            worker.wait_exit(5)
            check(not any("0123456789abcdef" in line for _, line in worker.lines), "the secret was printed")


def test_wrong_secret():
    stranger(secret="another secret of 32 characters!")


def test_wrong_run_id():
    stranger(LONGHAUL_RUN_ID="another-run")


def test_stranger_then_the_right_one():
    with Job(sizes=(1, 1), wan="timeout=20s") as job:
        waiting = job.start(0, 0, ("run", "2"))
        caller = job.start(1, 0, ("run", "2"), LONGHAUL_RUN_ID="another-run")
        check(caller.end(15)[1] == AUTH_FAILED, "the stranger was not refused")
        check_finished([waiting, job.start(1, 0, ("run", "2"))])


def test_stranger_in_site():
    with Job(sizes=(2,), wan="timeout=3s") as job:
        waiting = job.start(0, 0)
        caller = job.start(0, 1, LONGHAUL_SECRET_FILE=job.secret("other.secret", "another secret of 32 characters!"))
        check(caller.end(15)[1] == AUTH_FAILED, f"the stranger ended so: {caller.end()}")
        check(waiting.end(15)[1] == AUTH_FAILED, f"the waiting rank ended so: {waiting.end()}")


def test_abort_during_init():
    with Job(sizes=(1, 1), wan="timeout=40s") as job:
        worker = job.start(0, 0, ("abort", "300"))
        aborted, _ = worker.wait_line("aborted")
        when, code, text = worker.end(10)
        check(code == ABORTED, f"ended with {code}: {text}")
        check(when - aborted < 1, f"the bring-up went on for {when - aborted:.1f} s")
        worker.wait_exit(10)


def test_rank_that_aborts_during_init_does_not_hang_the_others():
    with Job(wan="timeout=4s") as job:
        workers = [job.start(0, 0), job.start(0, 1), job.start(1, 1, ("abort", "500"))]
        for worker in workers:
            check(worker.end(15)[1] in (TIMEOUT, REMOTE_ERROR, ABORTED), f"{worker.name} ended so: {worker.end()}")
            worker.wait_exit(12)


# ---- Strangers at the ports of a running job -----------------------------------------------------------------------------


def test_garbage_at_every_port():
    noise = random.Random(7)
    missiles = [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"", b"\0" * 4096, b"\xff" * 65536,
                struct.pack("<I", 0xffffffff) + b"x" * 100, struct.pack(">I", 0x7fffffff),
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-OpenSSH_9.2\r\n"]
    missiles += [noise.randbytes(noise.choice((1, 7, 16, 64, 500, 5000, 200000))) for _ in range(12)]
    with Job() as job:
        workers = running(job)
        places = set()
        for worker in workers:
            mine = listening_places(worker.process.pid)
            check(mine, f"{worker.name} listens nowhere")
            places |= mine
        for place in sorted(places):
            hits = sum(throw(place, missile, 0.02) for missile in missiles)
            check(hits > 0, f"no connection to {place} came about")
        for worker in workers:
            check(worker.process.poll() is None, f"{worker.name} died of it with {worker.process.returncode}")
            before = sum(line.startswith("round ") for _, line in worker.lines)
            worker.wait_line(f"round {before + 2}", 20)
            check(not any(line.startswith(("wrong", "end ")) for _, line in worker.lines), f"{worker.name} was disturbed")


def test_garbage_during_bring_up():
    with Job(sizes=(1, 1), wan="timeout=30s") as job:
        waiting = job.start(0, 0, ("run", "2"))
        end = time.monotonic() + 5
        while not listening_places(waiting.process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        for place in listening_places(waiting.process.pid):
            for missile in (b"GET / HTTP/1.1\r\n\r\n", b"", b"\xff" * 10000, struct.pack("<I", 0x7fffffff) + b"x" * 50):
                throw(place, missile, 0.05)
        # One that stays and says nothing.
        silent = [socket.create_connection(place, 2) for place in listening_places(waiting.process.pid)]
        check_finished([waiting, job.start(1, 0, ("run", "2"))])
        for connection in silent:
            connection.close()


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    Job.program = os.path.abspath(sys.argv[1])
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    wanted = sys.argv[2:] or list(tests)
    failed = []
    for name in wanted:
        begun = time.monotonic()
        try:
            tests[name]()
            print(f"ok      {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Exception as error:  # a test of its own must not hide the others
            failed.append(name)
            print(f"FAILED  {name}: {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc()
    print(f"{len(wanted) - len(failed)} of {len(wanted)} passed" + (f", failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
