# SPDX-License-Identifier: Apache-2.0
"""Processes that belong together: one fails, all end."""
import os
import signal
import subprocess
import tempfile
import time


class JobFailed(Exception):
    """A measured program failed; its output is in the text."""


def run_together(commands, timeout, environments=None, grace=10):
    """Runs all commands at once; returns their standard outputs. After the first failure the others get `grace` seconds to end by
    themselves: what they say about it may be the better text."""
    jobs = []
    try:
        for i, command in enumerate(commands):
            out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
            env = {**os.environ, **(environments[i] if environments else {})}
            # A session of its own, so that whatever a launcher started can be ended with it.
            jobs.append((subprocess.Popen(command, env=env, stdout=out, stderr=err, start_new_session=True), out, err))
        wait_for([job for job, _, _ in jobs], time.monotonic() + timeout, grace)
        for job, out, err in sorted(jobs, key=lambda one: one[0].returncode is None or one[0].returncode < 0):  # the culprit first
            if job.returncode != 0:
                reason = f"did not end within {timeout} s" if job.returncode is None else f"failed with status {job.returncode}"
                raise JobFailed(f"{' '.join(job.args)}: {reason}\n{text_of(out)}{text_of(err)}")
        return [text_of(out) for _, out, _ in jobs]
    finally:
        for job, out, err in jobs:
            end(job)
            out.close()
            err.close()


def wait_for(jobs, deadline, grace):
    failed = False
    while None in [job.poll() for job in jobs] and time.monotonic() < deadline:
        if not failed and any(job.returncode for job in jobs):
            failed, deadline = True, min(deadline, time.monotonic() + grace)
        time.sleep(0.02)


def end(job):
    for how in (signal.SIGTERM, signal.SIGKILL):
        if job.poll() is not None:
            return
        os.killpg(job.pid, how)
        try:
            job.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue


def text_of(file):
    file.seek(0)
    return file.read()
