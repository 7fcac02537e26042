# SPDX-License-Identifier: Apache-2.0
"""C and C++ sources for tidy.py: code without comments and strings, and where its functions begin and end. Good enough for
this repository's style, not a parser; what it cannot follow it reports instead of guessing."""
import re

TOKEN = re.compile(
    r"""(?P<raw>(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")"""
    r"""|(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)"""
    r"""|(?P<string>"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<char>(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'|(?<=[^\w'])'(?:\\.|[^'\\\n])+')""",
    re.S,
)


def strip_comments_and_strings(text, keep_strings=False):
    """The same text with comments and contents of literals as spaces: lines and columns stay."""

    def blank(match):
        found = match.group()
        if keep_strings and match.lastgroup != "comment" and not match.group("comment"):
            return found
        hollow = re.sub(r"[^\n]", " ", found)
        if match.group("comment"):
            return hollow
        return found[0] + hollow[1:-1] + found[-1] if len(found) > 1 else found

    return TOKEN.sub(blank, text)


def strip_preprocessor(code):
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: re.sub(r"[^\n]", " ", m.group()), code, flags=re.M)


def functions(text):
    """[(name, first line, last line)] of the functions of a source, class members and test cases included; a lambda counts
    to the function around it. ValueError where braces do not match."""
    return _Finder(strip_preprocessor(strip_comments_and_strings(text))).run()


class _Finder:
    def __init__(self, code):
        self.code = code
        self.blocks = []  # (kind, start of its head, paren depth outside, name)
        self.head = 0  # where the text that leads to the next brace begins
        self.parens = 0
        self.found = []

    def run(self):
        for at, char in enumerate(self.code):
            if char in "([":
                self.parens += 1
            elif char in ")]":
                self.parens = max(0, self.parens - 1)
            elif char == ";" and self.parens == 0:
                self.head = at + 1
            elif char == "{":
                self.open(at)
            elif char == "}":
                self.close(at)
        if self.blocks:
            raise ValueError(f"the brace of line {self.line(self.blocks[-1][1])} is never closed")
        return self.found

    def open(self, at):
        head = self.code[self.head : at]
        kind, name = "nested", ""
        if self.parens > 0 or self.is_member_initialiser(head):
            kind = "value"
        elif all(block[0] == "scope" for block in self.blocks):
            kind, name = classify(head)
        start = self.head + re.match(r"\s*(?:(?:public|private|protected)\s*:\s*)*", head).end()
        self.blocks.append((kind, start, self.parens, name, self.head))
        self.parens = 0
        self.head = at + 1

    def close(self, at):
        if not self.blocks:
            raise ValueError(f"line {self.line(at)} closes a brace that was not opened")
        kind, start, self.parens, name, head = self.blocks.pop()
        if kind == "function":
            self.found.append((name, self.line(start), self.line(at)))
        # Behind a value the statement goes on: its head does, too.
        self.head = head if kind == "value" else at + 1

    def is_member_initialiser(self, head):
        """The brace of `b_{1}` in `Class(int a) : a_(a), b_{1} {`."""
        if any(block[0] != "scope" for block in self.blocks):
            return False
        colon = re.search(r"\)[^()]*?(?<!:):(?!:)(.*)", head, re.S)
        return bool(colon) and bool(re.search(r"[\w>]\s*$", head)) and not re.search(r"\)\s*(?:const|noexcept)\s*$", head)

    def line(self, at):
        return self.code.count("\n", 0, at) + 1


def classify(head):
    """(kind, name) of the brace behind `head`, which stands in a namespace or class."""
    plain = re.sub(r"\b(?:alignas|__attribute__|decltype|noexcept)\s*\((?:[^()]|\([^()]*\))*\)|\[\[.*?\]\]", " ", head)
    plain = re.sub(r"\b(?:public|private|protected)\s*:(?!:)", " ", plain)
    plain = without_template(plain)
    declares = re.match(r"\s*(?:inline\s+|static\s+|typedef\s+|constexpr\s+|const\s+)*(?:namespace|class|struct|union|enum|extern)\b", plain)
    if declares and "(" not in plain:
        return "scope", ""
    operator = re.search(r"\boperator\s*(\(\)|[^\s\w(]+|[\w\s:<>*&]+?)\s*\(", plain)
    if operator:
        return "function", "operator" + operator.group(1)
    if value := re.search(r"([\w:]+)\s*=\s*\[", plain):  # a named lambda
        return "function", value.group(1)
    if re.search(r"(?<![=!<>])=(?!=)[^()]*$", plain) or "(" not in plain:
        return "nested", ""
    name = re.search(r"([~\w:]+)\s*(?:<[^()]*>)?\s*\(", plain)
    return "function", name.group(1) if name else "function"


def without_template(head):
    """Drops leading `template <...>` with nested angle brackets."""
    while match := re.match(r"\s*template\s*<", head):
        depth, at = 1, match.end()
        while at < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
        head = head[at:]
    return head
