# SPDX-License-Identifier: Apache-2.0
"""What a communicator has counted."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """Counters of one communicator since its bring-up (lhStats_t; longhaul.h says more)."""

    operations: int  #: completed well
    failed_operations: int  #: ended with an error; refused calls do not count
    payload_bytes: int  #: what this rank contributed to the WAN, before the codec
    wan_bytes_sent: int  #: frames, acknowledgements and resent frames included
    wan_bytes_received: int
    resent_bytes: int
    reconnects: int  #: streams replaced after bring-up
    dropped_frames: int  #: of strangers, damaged, duplicate or stale
    rtt_ns: int  #: smoothed round trip to the farthest site, in ns; 0 until measured
    peak_memory_bytes: int  #: of the library's own buffers
    streams: int  #: connections to other sites that are up now
    window_bytes: int  #: the largest window granted to a peer at another site now
    chunk_bytes: int  #: of the last call that moved data
    link_rate: int  #: bits a second that a link carries each way; 0: not known
    feedback_bytes: int  #: of all error-feedback states now
    gpu_chunks: int  #: encoded and added up by kernels on the GPU
    gpu_reduce_scatter_ns: int  #: how long the GPU was in each phase of the chunks, all together; 0 without LONGHAUL_TRACE
    gpu_encode_ns: int
    gpu_decode_ns: int
    gpu_all_gather_ns: int
