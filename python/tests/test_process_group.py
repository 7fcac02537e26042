# SPDX-License-Identifier: Apache-2.0
"""The backend "longhaul" of torch.distributed: collectives as gloo's, DDP and FSDP2 over it, and what `import torch` finds of it."""
import importlib.util
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

import support
from longhaul import _torch_entry
from test_bring_up import Secret

FOUND = """
import sys, torch, torch.distributed
print("longhaul" in torch.distributed.Backend.backend_list, "longhaul.torch" in sys.modules)
try:
    torch.distributed.init_process_group("longhaul", store=torch.distributed.HashStore(), rank=0, world_size=1)
except ValueError as error:
    print(error)
"""
SAID = """\
interleaved ProcessGroup [] True
rail ProcessGroup [] True
ddp True True
['ProcessGroup longhaul', 'ProcessGroup gloo']
hsdp True
ValueError the backend longhaul does not reduce by <torch.distributed.d
TypeError a tensor is on meta, but this group of the backend longhaul
NotImplementedError the backend longhaul has no all-to-all and no send or receiv
NotImplementedError the backend longhaul has no all-to-all and no send or receiv
TypeError send (in place) has elements of torch.int16: supported are i
still works [tensor([4., 4., 4.])]
closed True
given True
mine False
"""


@unittest.skipUnless(importlib.util.find_spec("torch"), "needs torch")
class Backend(Secret):
    def test_one_job_of_two_sites(self):
        path, sites = self.file(), ",".join(f"{name}={address}" for name, address in self.sites().items())
        script = Path(__file__).resolve().parent / "process_group_rank.py"
        environment = dict(os.environ, GLOO_SOCKET_IFNAME="lo", LONGHAUL_CONFIG=str(path), LONGHAUL_SITES=sites, PYTHONWARNINGS="ignore")
        ranks = [subprocess.Popen([sys.executable, "-B", str(script), str(rank), str(path.parent)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env=environment) for rank in range(4)]
        said = [rank.communicate(timeout=140) for rank in ranks]
        for out, err in said:
            self.assertEqual(out, SAID, err)
        self.assertEqual([rank.returncode for rank in ranks], [0] * 4, said)

    def test_import_torch_finds_it(self):
        """The entry points of pyproject.toml, as an installation has them; the C library and longhaul.torch wait for the first group."""
        project = (support.PACKAGE / "pyproject.toml").read_text()
        entries = re.findall(r'^\[project\.entry-points\."(torch[a-z.]*)"\]\n(\w+) = "(.*)"', project, re.MULTILINE)
        self.assertEqual([name for name, _, _ in entries], ["torch.backends", "torch.distributed.backends"])
        installed = self.folder / "longhaul-0.1.0.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: longhaul\nVersion: 0.1.0\n")
        (installed / "entry_points.txt").write_text("".join(f"[{group}]\n{name} = {target}\n" for group, name, target in entries))
        environment = dict(os.environ, PYTHONPATH=f"{self.folder}{os.pathsep}{support.PACKAGE}", LONGHAUL_LIBRARY="/nowhere")
        ran = subprocess.run([sys.executable, "-B", "-c", FOUND], env=environment, capture_output=True, text=True, timeout=100)
        self.assertEqual(ran.stdout, "True False\n"
                         "LONGHAUL_SITE is not set: the backend longhaul needs the name of this rank's site there\n", ran.stderr)


class Autoload(unittest.TestCase):
    def test_never_breaks_import_torch(self):
        for problem in (ImportError("no distributed"), AttributeError("backend_list"), RuntimeError("another time")):
            with mock.patch.object(_torch_entry, "register", side_effect=problem) as called:
                _torch_entry.autoload()
            called.assert_called_once_with()


if __name__ == "__main__":
    unittest.main()
