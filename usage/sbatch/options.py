"""The ``#SBATCH`` lines of a script as options, by the rules of ``sbatch`` and of ``getopt_long``.

A line counts if it begins with ``#SBATCH``, and no later than the first line with a command. The
words of all lines make one command line: quotes group, a backslash escapes, ``#`` begins a comment.
An option's value is joined by ``=``, or is the next word; short ones may be joined to theirs. Long
names may be shortened as long as they are unique. ``#SBATCH hetjob`` begins the next component of a
heterogeneous job.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from usage.sbatch.remarks import Found, InvalidScript, Remark

MAX_TEXT = 64 * 1024
MAX_LINE = 4096
MAX_WORDS = 1000
MAX_COMPONENTS = 128
MAX_SHOWN = 60
MARK = "#SBATCH"
_NEXT_COMPONENT = frozenset({"hetjob", "packjob"})

_VALUED = (
    "account acctg-freq array batch bb bbf begin bcast chdir cluster cluster-constraint clusters"
    " comment compress constraint consolidate-segments container container-id core-spec"
    " cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency"
    " distribution error exclude export export-file extra extra-node-info gid gpu-bind gpu-freq"
    " gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint input job-name"
    " kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu"
    " mem-per-gpu mincpus network nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu"
    " ntasks-per-node ntasks-per-socket oom-kill-step open-mode output partition power prefer"
    " priority profile qos reservation segment signal sockets-per-node spread-segments switches"
    " tasks-per-node thread-spec threads-per-core time time-min tmp tres-bind tres-per-task uid"
    " wait-all-nodes wckey wrap"
)
_PLAIN = (
    "contiguous help hold ignore-pbs immediate no-requeue overcommit oversubscribe quiet reboot"
    " requeue spread-job stepmgr test-only usage use-min-nodes verbose version wait"
)
_OPTIONAL = "exclusive get-user-env nice no-kill parsable propagate resv-ports"
_SHORT = {
    "A": "account", "a": "array", "b": "begin", "B": "extra-node-info", "c": "cpus-per-task",
    "C": "constraint", "d": "dependency", "D": "chdir", "e": "error", "F": "nodefile",
    "G": "gpus", "h": "help", "H": "hold", "i": "input", "I": "immediate", "J": "job-name",
    "k": "no-kill", "L": "licenses", "m": "distribution", "M": "clusters", "n": "ntasks",
    "N": "nodes", "O": "overcommit", "o": "output", "p": "partition", "Q": "quiet", "q": "qos",
    "s": "oversubscribe", "S": "core-spec", "t": "time", "u": "usage", "v": "verbose",
    "V": "version", "w": "nodelist", "W": "wait", "x": "exclude",
}  # fmt: skip
_ALIASES = {"cluster": "clusters", "tasks-per-node": "ntasks-per-node"}
_TAKES: dict[str, str] = {
    **dict.fromkeys(_VALUED.split(), "value"),
    **dict.fromkeys(_PLAIN.split(), "nothing"),
    **dict.fromkeys(_OPTIONAL.split(), "optional"),
}


_QUOTED = r"""\"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
_WORD = re.compile(
    rf"""(?:\\.?|{_QUOTED}|[^\s"'#\\])+|(?P<comment>\#)|(?P<quote>["'])""", re.DOTALL
)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_PIECE = re.compile(
    r"""\\(?P<escaped>.?)|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'""", re.DOTALL
)


class Option(NamedTuple):
    """An option by its long name, its value (empty if it has none) and its line, from 1."""

    name: str
    value: str
    line: int


class Read(NamedTuple):
    """The options of each component, one of most jobs, and what is to be said about them."""

    components: tuple[tuple[Option, ...], ...]
    remarks: tuple[Found, ...]


class _Word(NamedTuple):
    text: str
    line: int


def read_options(text: str) -> Read:
    """Return the options of a script. Raises InvalidScript if it is too large, or holds a NUL."""
    if len(text) > MAX_TEXT or "\0" in text:
        raise InvalidScript(f"no script of up to {MAX_TEXT} characters")
    remarks: list[Found] = []
    if not text.startswith("#!"):
        remarks.append(Found(Remark.NO_SHEBANG))
    if "\r\n" in text:
        remarks.append(Found(Remark.DOS_LINES))
    groups: list[list[_Word]] = [[]]
    for word in _words(text.split("\n"), remarks):
        if word.text in _NEXT_COMPONENT:
            groups.append([])
        else:
            groups[-1].append(word)
        if sum(map(len, groups)) > MAX_WORDS or len(groups) > MAX_COMPONENTS:
            raise InvalidScript(f"more than {MAX_WORDS} words or {MAX_COMPONENTS} components")
    return Read(tuple(tuple(_options(group, remarks)) for group in groups), tuple(remarks))


def _words(lines: list[str], remarks: list[Found]) -> Iterator[_Word]:
    """Yield the words of the lines that count, and remark on those that only look like it."""
    done = False
    for number, whole in enumerate(lines, 1):
        line = whole.rstrip("\r")
        if done:
            if line.startswith(MARK):
                remarks.append(Found(Remark.AFTER_COMMAND, number, line[:MAX_SHOWN]))
        elif line.startswith(MARK):
            yield from _split(line[len(MARK) :], number, remarks)
        else:
            stripped = line.lstrip()
            if stripped.startswith(MARK):
                remarks.append(Found(Remark.INDENTED, number, stripped[:MAX_SHOWN]))
            done = bool(stripped) and not stripped.startswith("#")


def _split(line: str, number: int, remarks: list[Found]) -> Iterator[_Word]:
    if len(line) > MAX_LINE:
        raise InvalidScript(f"line {number} is longer than {MAX_LINE} characters")
    for match in _WORD.finditer(line):
        if match["comment"]:
            return
        if match["quote"]:
            remarks.append(Found(Remark.UNMATCHED_QUOTE, number, line.strip()[:MAX_SHOWN]))
            return
        yield _Word(_PIECE.sub(_plain, match[0]), number)


def _plain(piece: re.Match[str]) -> str:
    """Return a piece without its quotes and backslashes."""
    quoted = piece["double"] if piece["double"] is not None else piece["single"]
    return piece["escaped"] if quoted is None else _ESCAPE.sub(r"\1", quoted)


def _options(words: list[_Word], remarks: list[Found]) -> Iterator[Option]:
    waiting = iter(words)
    for word in waiting:
        text, line = word
        if text.startswith("--") and len(text) > 2:
            yield from _long(text[2:], line, waiting, remarks)
        elif text.startswith("-") and len(text) > 1 and text != "--":
            yield from _short(text[1:], line, waiting, remarks)
        else:
            remarks.append(Found(Remark.STRAY_WORD, line, text[:MAX_SHOWN]))


def _long(text: str, line: int, waiting: Iterator[_Word], remarks: list[Found]) -> Iterator[Option]:
    given, equals, value = text.partition("=")
    name = _full_name(given, line, remarks)
    if name is None:
        return
    takes = _TAKES[name]
    if takes == "value" and not equals:
        following = next(waiting, None)
        if following is None:
            remarks.append(Found(Remark.NO_VALUE, line, f"--{name}"))
            return
        value = following.text
    yield Option(_ALIASES.get(name, name), value if takes != "nothing" else "", line)


def _full_name(given: str, line: int, remarks: list[Found]) -> str | None:
    if given in _TAKES:
        return given
    found = [name for name in _TAKES if name.startswith(given)]
    meant = {_ALIASES.get(name, name) for name in found}
    if len(meant) == 1:
        return found[0]
    remark = Remark.AMBIGUOUS_OPTION if meant else Remark.UNKNOWN_OPTION
    remarks.append(Found(remark, line, f"--{given[:MAX_SHOWN]}"))
    return None


def _short(
    letters: str, line: int, waiting: Iterator[_Word], remarks: list[Found]
) -> Iterator[Option]:
    """Read ``-n4``, ``-n 4``, and flags that stand together such as ``-HO``."""
    while letters:
        letter, letters = letters[0], letters[1:]
        name = _SHORT.get(letter)
        if name is None:
            remarks.append(Found(Remark.UNKNOWN_OPTION, line, f"-{letter}"))
            return
        if _TAKES[name] == "nothing":
            yield Option(name, "", line)
            continue
        if not letters and _TAKES[name] == "value":
            following = next(waiting, None)
            if following is None:
                remarks.append(Found(Remark.NO_VALUE, line, f"-{letter}"))
                return
            letters = following.text
        yield Option(name, letters, line)
        return
