# SPDX-License-Identifier: Apache-2.0
"""Which library is loaded, and what is said when none is."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import support

from longhaul import _library

NAME = _library.FILE


def loaded(package=support.PACKAGE, **environment):
    """(exit status, what it printed) of a program that loads the library: its file, or the error."""
    program = ("import longhaul, sys\ntry:\n  longhaul.get_version()\n  print(next(line.split()[-1] for line in open('/proc/self/maps') if "
               "'liblonghaul' in line))\nexcept longhaul.LibraryNotFoundError as error:\n  sys.exit(str(error))")
    kept = {key: value for key, value in os.environ.items() if key not in ("LONGHAUL_LIBRARY", "LD_LIBRARY_PATH")}
    done = subprocess.run([sys.executable, "-B", "-c", program], env={**kept, "PYTHONPATH": str(package), **environment}, capture_output=True,
                          text=True, timeout=60)
    return done.returncode, (done.stdout or done.stderr).strip()


class Finding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.real = os.path.realpath(_library.load()._name)
        if not os.path.isabs(_library.load()._name):
            raise unittest.SkipTest("the library comes from the system's loader: set LONGHAUL_LIBRARY")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(os.path.realpath(folder.name))

    def copy(self, *parts):
        place = self.folder.joinpath(*parts)
        place.mkdir(parents=True)
        shutil.copyfile(self.real, place / NAME)
        return place / NAME

    def test_a_file_and_a_prefix(self):
        for parts in (("file",), ("prefix", "lib")):
            file = self.copy(*parts)
            self.assertEqual(loaded(LONGHAUL_LIBRARY=str(file)), (0, str(file)))
            self.assertEqual(loaded(LONGHAUL_LIBRARY=str(self.folder / parts[0])), (0, str(file)))

    def test_inside_the_package_before_the_loader(self):
        package = self.folder / "site"
        shutil.copytree(support.PACKAGE / "longhaul", package / "longhaul", ignore=shutil.ignore_patterns("lib", "__pycache__"))
        outside = self.copy("outside")
        self.assertEqual(loaded(package, LD_LIBRARY_PATH=str(outside.parent)), (0, str(outside)))
        inside = self.copy("site", "longhaul", "lib")
        self.assertEqual(loaded(package, LD_LIBRARY_PATH=str(outside.parent)), (0, str(inside)))

    def test_what_is_said_about_a_wrong_one(self):
        text = self.folder / "text.so"
        text.write_text("no library")
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        libc = next(line.split()[-1] for line in maps if "/libc.so" in line or "/libc-" in line)
        for named, part in ((self.folder / "absent.so", "absent.so: there is no such file"), (text, "text.so"), (self.folder, "is a folder without"),
                            (libc, "is not the Longhaul library, or is older")):
            status, said = loaded(LONGHAUL_LIBRARY=str(named))
            self.assertEqual(status, 1)
            self.assertIn(part, said)
        self.assertIn("scripts/make_wheel.sh", loaded(LONGHAUL_LIBRARY=str(text))[1])

    def test_another_version(self):
        wrong = self.folder / "site"
        shutil.copytree(support.PACKAGE / "longhaul", wrong / "longhaul", ignore=shutil.ignore_patterns("lib", "__pycache__"))
        abi = wrong / "longhaul" / "_abi.py"
        abi.write_text(abi.read_text().replace("VERSION = (0, 1)", "VERSION = (7, 3)"))
        status, said = loaded(wrong, LONGHAUL_LIBRARY=self.real)
        self.assertEqual(status, 1)
        self.assertIn("has version 0.1, this package needs 7.3: install both from the same release", said)


if __name__ == "__main__":
    unittest.main()
