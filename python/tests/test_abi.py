# SPDX-License-Identifier: Apache-2.0
"""Does _abi.py say what longhaul.h says? A C program compiled from the header prints sizes, offsets and constants."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import support

from longhaul import _abi

HEADER = Path(os.environ.get("LONGHAUL_HEADER") or support.PACKAGE.parent / "include" / "longhaul" / "longhaul.h")
COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
PREFIXES = {"lhResult_t": ("lh", _abi.Result), "lhDataType_t": ("lh", _abi.DataType), "lhRedOp_t": ("lh", _abi.Op),
            "lhCodec_t": ("lhCodec", _abi.Codec), "lhScope_t": ("lhScope", _abi.Scope)}


def expressions():
    """{C expression: what Python says}."""
    wanted = {"LH_CONFIG_MAGIC": _abi.CONFIG_MAGIC, "LH_CALL_CONFIG_MAGIC": _abi.CALL_CONFIG_MAGIC, "LH_STATS_MAGIC": _abi.STATS_MAGIC,
              "LH_CODEC_PLUGIN_MAGIC": _abi.CODEC_PLUGIN_MAGIC,
              "LH_MAJOR": _abi.VERSION[0], "LH_MINOR": _abi.VERSION[1]}
    for structure in _abi.STRUCTURES:
        name = structure.C_NAME
        wanted[f"sizeof({name})"] = _abi.ctypes.sizeof(structure)
        for field, kind in structure._fields_:
            wanted[f"offsetof({name}, {field})"] = getattr(structure, field).offset
            wanted[f"sizeof((({name}*)0)->{field})"] = _abi.ctypes.sizeof(kind)
    return wanted


@unittest.skipUnless(HEADER.exists(), "the header is not beside the package")
class Header(unittest.TestCase):
    def setUp(self):
        self.text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.S)

    @unittest.skipUnless(COMPILER, "needs a C compiler")
    def test_layouts_and_constants(self):
        wanted = expressions()
        lines = "".join(f'  printf("%lld\\n", (long long)({expression}));\n' for expression in wanted)
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "layout"
            source = f"#include <stdio.h>\n#include <longhaul/longhaul.h>\nint main(void) {{\n{lines}  return 0;\n}}\n"
            subprocess.run([COMPILER, "-x", "c", "-", "-o", str(program), f"-I{HEADER.parent.parent}"], input=source, text=True, check=True)
            said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(dict(zip(wanted, map(int, said))), wanted)

    def test_enumerations_are_complete(self):
        for name, (prefix, kind) in PREFIXES.items():
            body = re.search(r"\{([^{}]*)\}\s*" + name, self.text).group(1)
            in_c = {key: int(value) for key, value in re.findall(rf"\b{prefix}([A-Z]\w*)\s*=\s*(\d+)", body)}
            in_python = {member.name.replace("_", ""): int(member) for member in kind}
            self.assertTrue(in_c)
            self.assertEqual({key.upper(): value for key, value in in_c.items()}, in_python, name)

    def test_functions_are_complete(self):
        for text, functions in ((self.text, _abi.FUNCTIONS), (HEADER.with_name("nccl.h").read_text(encoding="utf-8"), _abi.NCCL_FUNCTIONS)):
            declared = dict(re.findall(r"LH_API [^(;]*?\b(lh\w+)\(([^)]*)\)", text))
            self.assertEqual(sorted(declared), sorted(functions))
            for name, arguments in declared.items():
                count = 0 if arguments.strip() == "void" else arguments.count(",") + 1
                self.assertEqual(len(functions[name]), count, name)

    def test_initializers(self):
        self.assertIn("NULL, NULL, NULL, -1, -1, NULL, NULL, NULL, NULL, -1, 1 }", self.text)
        made = _abi.Config()
        self.assertEqual((made.siteRank, made.siteSize, made.device, made.blocking), (-1, -1, -1, 1))
        self.assertEqual([getattr(made, name) for name in ("file", "runId", "site", "siteAddress", "sites", "wan")], [None] * 6)
        self.assertFalse(made.oob)


if __name__ == "__main__":
    unittest.main()
