# SPDX-License-Identifier: Apache-2.0
"""Device communicators of real jobs over 127.0.0.1, on the double of CUDA and NCCL: by addresses, and from an NCCL communicator. Run by
test_gpu.py."""
import ctypes
import tempfile
import unittest
from pathlib import Path

import gpu_double
import support

import longhaul

KINDS = {"wisconsin": 0, "atlanta": 1}


class NcclId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_char * 128)]


class NcclConfig(ctypes.Structure):
    """The beginning of ncclConfig_t."""

    _fields_ = [("size", ctypes.c_size_t), ("magic", ctypes.c_uint), ("version", ctypes.c_uint), ("blocking", ctypes.c_int), ("cga", ctypes.c_int),
                ("min", ctypes.c_int), ("max", ctypes.c_int), ("net", ctypes.c_char_p), ("share", ctypes.c_int)]


class Jobs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        secret = Path(folder.name) / "secret"
        secret.write_text("a secret of the tests, longer than 32 characters")
        secret.chmod(0o600)
        self.path = Path(folder.name) / "job.toml"
        self.path.write_text(f'secret_file = "{secret}"\n')
        self.sites = {name: f"127.0.0.1:{port}" for name, port in zip(KINDS, support.free_ports(2))}
        self.options = {"run_id": "gpu", "sites": self.sites, "wan": {"codec": "none", "timeout": "40s", "staging": "2MiB"}}

    def check(self, join):
        """join(site, its GPU) makes the communicator of a site of one rank."""
        def run(site):
            gpu = gpu_double.Gpu(KINDS[site])
            try:
                with join(site, gpu) as comm:
                    stream, memory = gpu.stream(), gpu.array("f", [comm.rank + 1.0] * 1000)
                    comm.all_reduce(memory, stream=stream.handle)
                    comm.finalize()
                    stream.synchronize()
                    return comm.device, comm.size, memory.read()
            finally:
                gpu.close()
        self.assertEqual(support.in_threads(run, ("wisconsin",), ("atlanta",)), [(0, 2, [3.0] * 1000), (1, 2, [3.0] * 1000)])

    def test_by_addresses(self):
        self.check(lambda site, gpu: longhaul.Communicator(self.path, site=site, site_rank=0, site_size=1, device=gpu.device, **self.options))

    def test_from_nccl(self):
        def join(site, gpu):
            nccl, unique = ctypes.c_void_p(), NcclId()
            gpu_double.call("ncclGetUniqueId", ctypes.byref(unique))
            undefined = -2**31
            config = NcclConfig(ctypes.sizeof(NcclConfig), 0xcafebeef, 21900, 1, undefined, undefined, undefined, None, undefined)
            gpu.inside("ncclCommInitRankConfig", ctypes.byref(nccl), 1, unique, 0, ctypes.byref(config))
            try:
                return longhaul.Communicator.from_nccl(nccl.value, self.path, site=site, **self.options)
            finally:
                gpu.inside("ncclCommDestroy", nccl)
        self.check(join)

    def test_no_nccl_communicator(self):
        with self.assertRaisesRegex(longhaul.InvalidArgumentError, "site is NULL"):
            longhaul.Communicator.from_nccl(0)
        with self.assertRaisesRegex(TypeError, "nccl must be an integer"):
            longhaul.Communicator.from_nccl("comm")


if __name__ == "__main__":
    unittest.main()
