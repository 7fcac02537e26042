# SPDX-License-Identifier: Apache-2.0
"""The rows of a run in a file that is complete after every row, so that an interrupted run goes on where it stopped."""
import json
import os

KEY = ("rtt", "rate", "loss", "size", "codec")


class Results:
    """Rows by what was measured. `path` may be None: nothing is kept then."""

    def __init__(self, path, options):
        self.path, self.options, self.rows = path, options, []
        if path and path.exists():
            self.rows = self.read(path)

    def read(self, path):
        try:
            found = json.loads(path.read_text())
            options, rows = found["options"], found["results"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path} holds no results of this program: name another file (--json)") from None
        other = sorted(name for name in self.options if options.get(name) != self.options[name])
        if other:
            raise ValueError(f"{path} was measured with another {', '.join('--' + name for name in other)}: "
                             "name another file (--json), or remove it")
        return [row for row in rows if "error" not in row]  # what failed is tried again

    def has(self, **key):
        return any(all(row[name] == key[name] for name in KEY) for row in self.rows)

    def add(self, row):
        self.rows.append(row)
        if self.path:
            partial = self.path.with_name(self.path.name + ".part")
            partial.write_text(json.dumps({"options": self.options, "results": self.rows}, indent=1))
            os.replace(partial, self.path)
