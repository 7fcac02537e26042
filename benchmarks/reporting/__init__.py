# SPDX-License-Identifier: Apache-2.0
"""What report.py is made of; start reading at page.py. Nothing here writes files or ends the process."""
