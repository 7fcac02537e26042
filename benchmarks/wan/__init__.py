# SPDX-License-Identifier: Apache-2.0
"""The parts of wan_bench.py: the emulated link, what runs over it, and where the rows go."""
