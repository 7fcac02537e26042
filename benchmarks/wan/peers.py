# SPDX-License-Identifier: Apache-2.0
"""Other libraries' all-reduces between the same sites. Each is tried with several settings; the fastest is what counts."""
import json
import shlex
import tempfile
from pathlib import Path

from wan.emulator import SITES
from wan.jobs import JobFailed, run_together
from wan.longhaul import calls

SITE_SHELL = Path(__file__).resolve().parent / "site_shell.sh"


def mca(**values):
    return [word for name, value in values.items() for word in ("--mca", name, str(value))]


def env(**values):
    return [word for name, value in values.items() for word in ("-x", f"{name}={value}")]


# Shared memory is for ranks of one site; between sites there is the link only. Buffers of 0: the kernel sizes them.
OB1 = mca(pml="ob1", btl="tcp,vader,self", btl_tcp_if_include="10.77.0.0/16", btl_tcp_sndbuf=0, btl_tcp_rcvbuf=0)
UCX = mca(pml="ucx", pml_ucx_tls="any", pml_ucx_devices="any") + env(UCX_TLS="tcp,sm,self", UCX_NET_DEVICES="wan0")
# A message that is sent at once saves the round trip of announcing it. (8 links hung when tried.)
EAGER = mca(btl_tcp_links=4, btl_tcp_eager_limit=16 << 20, btl_tcp_rndv_eager_limit=16 << 20, btl_tcp_max_send_size=16 << 20)
UCX_EAGER = env(UCX_RNDV_THRESH="inf")


def han(mib):
    """Segments of 64 KiB, its default, crash it at large sizes, and each costs a part of a round trip."""
    return mca(coll_han_priority=100, coll_han_allreduce_segsize=mib << 20)


OMPI = {
    "ompi-tcp": {"links=1": OB1, "links=4": OB1 + mca(btl_tcp_links=4), "links=4,eager=16M": OB1 + EAGER},
    "ompi-ucx": {"defaults": UCX, "rndv_thresh=inf": UCX + UCX_EAGER},
    "ompi-han": {"tcp,links=1,segment=8M": OB1 + han(8), "tcp,links=4,eager=16M,segment=4M": OB1 + EAGER + han(4),
                 "tcp,links=4,eager=16M,segment=16M": OB1 + EAGER + han(16), "ucx,rndv_thresh=inf,segment=8M": UCX + UCX_EAGER + han(8)},
}
GLOO = {name: name for name in ("ring", "ring_chunked", "halving_doubling", "bcube")}
PROGRAM = {**{name: "mpi_all_reduce" for name in OMPI}, "gloo": "gloo_all_reduce"}
NAMES = tuple(PROGRAM)


def parse_peers(text):
    """--peers."""
    names = {"none": (), "all": NAMES}.get(text) if text in ("none", "all") else tuple(text.split(","))
    for name in names:
        if name not in NAMES:
            raise ValueError(f"'{name}' is no peer: none, all, or some of {','.join(NAMES)}")
    return names


def missing(build, names):
    """Programs of these peers that were not built."""
    return sorted({PROGRAM[name] for name in names if not (build / "bin" / PROGRAM[name]).exists()})


def measure(emulator, options, name, size):
    """{best: the fastest setting's result or None, tried: every setting's result or what went wrong with it}."""
    run, settings = (gloo, GLOO) if name == "gloo" else (open_mpi, OMPI[name])
    tried = []
    for text, setting in settings.items():
        before = emulator.look()
        try:
            result = run(emulator, options, size, setting)
            check_bytes(result, size)
        except JobFailed as failure:
            result = {"error": str(failure)[-2000:]}
        tried.append({"settings": text, **result, "link": emulator.since(before)})
    good = [one for one in tried if "error" not in one]
    return {"best": min(good, key=lambda one: one["median_ms"], default=None), "tried": tried}


def check_bytes(result, size):
    """Every byte of the result has to be learnt from the other site. A part of the first of ten calls or more may have crossed before the counters were
    read: the other site may leave the barrier in front of it earlier."""
    least = min(result["wire_bytes_out"], result["wire_bytes_in"])
    if least < 0.9 * size:
        raise JobFailed(f"{least:.0f} bytes crossed the link one way for each call, fewer than the {size} of the result: "
                        "the sites share something else")


def arguments(options, size):
    measured, warm_up = calls(options, size)
    return ["--bytes", str(size), "--iterations", str(measured), "--warmup", str(warm_up), "--device", "wan0"]


def open_mpi(emulator, options, size, setting):
    """One mpirun over both sites. Ranks wait by spinning, and here they share few cores: they yield."""
    hosts = ",".join(f"{emulator.address[site]}:{options.ranks}" for site in SITES)
    command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(options.ranks * len(SITES)), "--host", hosts,
               *mca(plm_rsh_agent=SITE_SHELL, oob_tcp_if_include="10.77.0.0/16", mpi_yield_when_idle=1), *setting,
               str(options.build / "bin/mpi_all_reduce"), *arguments(options, size)]
    environment = {"WAN_SITES": " ".join(f"{site}={emulator.address[site]}" for site in SITES), "WAN_EXEC": " ".join(emulator.command("exec"))}
    (out,) = run_together([[str(SITE_SHELL), SITES[0], "exec", shlex.join(command)]], options.timeout, [environment])
    result = json.loads(out)
    if result["ranks_on_node"] != options.ranks:
        raise JobFailed(f"Open MPI saw {result['ranks_on_node']} ranks on a node and not the {options.ranks} of a site")
    return result


def gloo(emulator, options, size, algorithm):
    with tempfile.TemporaryDirectory() as store:
        commands = []
        for site in SITES:
            for _ in range(options.ranks):
                program = [str(options.build / "bin/gloo_all_reduce"), *arguments(options, size), "--rank", str(len(commands)),
                           "--size", str(options.ranks * len(SITES)), "--store", store, "--address", emulator.address[site], "--algorithm", algorithm]
                commands.append(emulator.inside(site, *program))
        return json.loads(run_together(commands, options.timeout)[0])
