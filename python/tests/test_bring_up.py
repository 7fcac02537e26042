# SPDX-License-Identifier: Apache-2.0
"""Real bring-up over 127.0.0.1: from arguments, from a file and the environment, without blocking, with a given all-gather."""
import array
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import support

import longhaul

RANK = """
import array, longhaul
with longhaul.Communicator() as comm:
    memory = array.array("f", [comm.rank + 1] * 1000)
    comm.all_reduce(memory)
    comm.finalize()
    print(comm.rank, comm.site, memory[0], memory[-1])
"""


class Secret(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        secret = self.folder / "secret"
        secret.write_text("a secret of the tests, longer than 32 characters")
        secret.chmod(0o600)
        self.secret = f'secret_file = "{secret}"\n'

    def file(self, text=""):
        path = self.folder / "job.toml"
        path.write_text(self.secret + text)
        return path

    def sites(self, count=2):
        return {name: f"127.0.0.1:{port}" for name, port in zip(("wisconsin", "atlanta"), support.free_ports(count))}


class Arguments(Secret):
    def test_two_sites(self):
        sites, path = self.sites(), self.file()

        def run(site):
            with longhaul.Communicator(path, run_id="py", site=site, site_rank=0, site_size=1, sites=sites,
                                       wan={"codec": "none", "timeout": "40s"}) as comm:
                memory = array.array("d", [comm.site + 1])
                comm.all_reduce(memory)
                comm.finalize()
                return comm.rank, comm.size, memory[0], comm.stats().streams > 0
        self.assertEqual(support.in_threads(run, ("wisconsin",), ("atlanta",)), [(0, 2, 3, True), (1, 2, 3, True)])

    def test_a_given_all_gather_without_blocking(self):
        sites, path = self.sites(), self.file()
        meeting, table = threading.Barrier(2), [None, None]

        def run(site, rank, size):
            def gather(mine):
                table[rank] = mine
                meeting.wait(60)
                everything = list(table)
                meeting.wait(60)
                return everything
            oob = gather if site == "atlanta" else lambda mine: [mine]
            with longhaul.Communicator(path, run_id="py", site=site, site_rank=rank, site_size=size, sites=sites, oob=oob, blocking=False) as comm:
                while not comm.ready():
                    time.sleep(0.01)
                memory = bytearray([1])
                comm.all_reduce(memory)
                comm.finalize()
                return comm.rank, memory[0]
        self.assertEqual(support.in_threads(run, ("wisconsin", 0, 1), ("atlanta", 0, 2), ("atlanta", 1, 2)), [(0, 3), (1, 3), (2, 3)])

    def test_an_exception_of_the_all_gather_is_the_cause(self):
        def gather(mine):
            raise KeyError("mine")
        with self.assertRaises(longhaul.Error) as caught:
            longhaul.Communicator(self.file(), run_id="py", site="atlanta", site_rank=0, site_size=2, sites=self.sites(), oob=gather)
        self.assertEqual(repr(caught.exception.__cause__), "KeyError('mine')")
        with self.assertRaises(longhaul.Error) as caught:
            longhaul.Communicator(self.file(), run_id="py", site="atlanta", site_rank=0, site_size=2, sites=self.sites(), oob=lambda mine: [mine])
        self.assertRegex(str(caught.exception.__cause__), "needed are 2 of")


class Environment(Secret):
    def test_a_file_and_the_environment(self):
        table = "".join(f'[[site]]\nname = "{name}"\naddress = "{address}"\n' for name, address in self.sites().items())
        path = self.file('run_id = "py"\n' + table)
        ranks = []
        for site in ("wisconsin", "atlanta"):
            environment = dict(os.environ, LONGHAUL_CONFIG=str(path), LONGHAUL_SITE=site, RANK="0", WORLD_SIZE="1", PYTHONPATH=str(support.PACKAGE))
            ranks.append(subprocess.Popen([sys.executable, "-c", RANK], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        said = [rank.communicate(timeout=100) for rank in ranks]
        self.assertEqual([out for out, _ in said], ["0 0 3.0 3.0\n", "1 1 3.0 3.0\n"], said)


class Refused(unittest.TestCase):
    def test_the_library_says_what_is_wrong(self):
        cases = [(dict(config="nowhere.toml"), "nowhere.toml"), (dict(site="atlanta", sites="wisconsin"), "wisconsin"),
                 (dict(wan={"codek": "i8"}), "codek"), (dict(device=0), "device")]
        for arguments, text in cases:
            with self.assertRaisesRegex(longhaul.Error, text):
                longhaul.Communicator(**{**dict(run_id="py", site="atlanta", site_rank=0, site_size=1, sites="atlanta=127.0.0.1:1"), **arguments})

    def test_arguments_that_would_be_cut_off(self):
        for arguments, text in ((dict(site_rank=2**32), "site_rank is 4294967296"), (dict(site="a\0b"), "site contains a NUL"),
                                (dict(oob=lambda mine: [mine]), "oob needs site_rank and site_size")):
            with self.assertRaisesRegex(ValueError, text):
                longhaul.Communicator(**arguments)


if __name__ == "__main__":
    unittest.main()
