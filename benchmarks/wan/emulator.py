# SPDX-License-Identifier: Apache-2.0
"""Two sites joined by an emulated link, and what the link and the sites' TCP counted."""
import json
import os
import subprocess

SITES = ("site0", "site1")


class Emulator:
    """An emulator of its own name, up while the `with` block runs. Both sites use the same congestion control."""

    def __init__(self, build, rtt, rate, loss, congestion="bbr"):
        self.longhaul, self.name, self.congestion = str(build / "bin/longhaul"), f"bench{os.getpid()}", congestion
        self.rtt, self.rate, self.loss = rtt, rate, loss
        self.settings = ["--rtt", rtt, "--rate", rate, "--loss", loss]

    def command(self, *arguments):
        return [self.longhaul, "emulate", arguments[0], "--name", self.name, *arguments[1:]]

    def inside(self, site, *command):
        return self.command("exec", site, "--", *command)

    def __enter__(self):
        subprocess.run(self.command("up", "--sites", ",".join(SITES), *self.settings), check=True, stdout=subprocess.DEVNULL)
        try:
            self.address = {site["name"]: site["address"] for site in self.state()["sites"]}
            for site in SITES:
                done = subprocess.run(self.inside(site, "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={self.congestion}"), check=False)
                if done.returncode != 0:
                    raise SystemExit(f"this kernel does not offer {self.congestion}: modprobe tcp_{self.congestion}, or say --congestion cubic")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(self.command("down"), check=True, stdout=subprocess.DEVNULL)

    def state(self):
        return json.loads(subprocess.run(self.command("show", "--json"), check=True, capture_output=True, text=True).stdout)

    def retransmitted(self, site):
        """TCP segments that the site's kernel has sent again so far."""
        text = subprocess.run(self.inside(site, "cat", "/proc/net/snmp"), check=True, capture_output=True, text=True).stdout
        names, values = (line.split() for line in text.splitlines() if line.startswith("Tcp:"))
        return int(values[names.index("RetransSegs")])

    def look(self):
        return self.state(), sum(self.retransmitted(site) for site in SITES)

    def since(self, before):
        """What the link did since look(): a whole job, its bring-up and end included. Bytes are of IP packets, one number a direction."""
        state, retransmitted = self.look()
        deltas = [{key: a["counters"][key] - b["counters"][key] for key in a["counters"]} for a, b in zip(state["links"], before[0]["links"])]

        def total(key):
            return sum(delta[key] for delta in deltas)

        return {"late": total("late_takes") / max(1, total("takes")), "bytes": [delta["offered_bytes"] for delta in deltas],
                "packets": total("offered_packets"), "lost_packets": total("lost"), "dropped_packets": total("queue_drops"),
                "retransmitted_segments": retransmitted - before[1], "emulator_cpu_s": state["cpu_s"] - before[0]["cpu_s"]}
