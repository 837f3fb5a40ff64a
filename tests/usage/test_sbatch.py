"""Batch scripts are read as sbatch reads them, and whatever is in them, nothing is run."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.sbatch import Asked, InvalidScript, Remark, read_script
from usage.sbatch.options import MAX_TEXT
from usage.sbatch.values import Unreadable, array, gpus, gres, memory_kib, minutes, nodes

GB = 2**20
HEAD = "#!/bin/bash\n"


def asked(*lines: str) -> Asked:
    (found,) = read_script(HEAD + "".join(f"#SBATCH {line}\n" for line in lines)).components
    return found


def remarks(text: str) -> list[tuple[Remark, int]]:
    quiet = {Remark.NO_TIME, Remark.NO_MEMORY, Remark.ONE_CPU}
    return [(r.remark, r.line) for r in read_script(text).remarks if r.remark not in quiet]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["-n4"], {"tasks": 4, "cpus": 4, "nodes": 1}),
        (["--ntasks=8 --cpus-per-task 4"], {"tasks": 8, "cpus": 32}),
        (["-N 2 --ntasks-per-node=16"], {"nodes": 2, "tasks": 32, "cpus": 32}),
        (["--tasks-per-node=3", "-n 8"], {"nodes": 3, "tasks": 8}),
        (["-N2-4 -c 8"], {"nodes": 2, "tasks": 2, "cpus": 16}),
        (["--nodes=4 --ntasks=2"], {"nodes": 2, "tasks": 2}),
        (["--nodes=1k"], {"nodes": 1024}),
        (["--mincpus=16", "-N2"], {"cpus": 32}),
        (["-N 3 --mem=4G"], {"mem_kib": 12 * GB}),
        (["--mem=4000"], {"mem_kib": 4000 * 1024}),
        (["-n 4 -c 2 --mem-per-cpu=1500M"], {"mem_kib": 8 * 1500 * 1024}),
        (["--gpus=3 --mem-per-gpu=10g"], {"mem_kib": 30 * GB}),
        (["--mem=1G", "--mem-per-cpu=2G -c 4"], {"mem_kib": 8 * GB}),
        (["--mem=0"], {"mem_kib": 0}),
        (["-N2 --gres=gpu:a100:2"], {"gpus": (("a100", 4),)}),
        (["--gres=gpu"], {"gpus": (("", 1),)}),
        (["--gres=gpu:h100"], {"gpus": (("h100", 1),)}),
        (["--gres=lustre:1,gpu:2"], {"gpus": (("", 2),)}),
        (["--gres=gres/gpu:a100=2"], {"gpus": (("a100", 2),)}),
        (["--gres=none"], {"gpus": ()}),
        (["-G a100:2,v100:1"], {"gpus": (("a100", 2), ("v100", 1))}),
        (["--gpus-per-node=2 --nodes=3"], {"gpus": (("", 6),)}),
        (["-n 4 --gpus-per-task=1"], {"gpus": (("", 4),)}),
        (["-n 4 --tres-per-task=cpu=3,gres/gpu:a100=1"], {"gpus": (("a100", 4),), "cpus": 12}),
        (["--gpus=8 --ntasks-per-gpu=2"], {"tasks": 16, "cpus": 16}),
        (["--gpus=4 --cpus-per-gpu=8"], {"cpus": 32}),
        (["--array=0-99%5"], {"jobs": 100}),
        (["-a 1,3,5-7"], {"jobs": 5}),
        (["-a0-15:4"], {"jobs": 4}),
        (["--array=1-5,3-8"], {"jobs": 8}),
        (["--time=90"], {"minutes": 90}),
        (["-t", "-n 2"], {"minutes": None}),
        (["--time", "30"], {"minutes": 30}),
        (["--part=gpu --qos high -A lab -M alpha,beta"],
         {"partition": "gpu", "qos": "high", "account": "lab", "cluster": "alpha"}),
        (["-p big,small"], {"partition": "big"}),
        (["-L matlab:2,ansys@flex:1"], {"licenses": (("matlab", 2), ("ansys", 1))}),
        (["--time=1:00", "--time=2:00"], {"minutes": 2}),
        (["-HO -n 3"], {"tasks": 3}),
        (["--job-name='x --ntasks=9' -n 2"], {"tasks": 2}),
        (["-n 2 # -n 9"], {"tasks": 2}),
        (['--comment "a \\" -n 9" -n 2'], {"tasks": 2}),
        ([], {"tasks": 1, "cpus": 1, "nodes": 1, "jobs": 1, "gpus": (), "minutes": None}),
    ],
)  # fmt: skip
def test_what_options_ask_for(lines: list[str], expected: dict[str, object]) -> None:
    found = asked(*lines)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90), ("90:30", 91), ("1:30:00", 90), ("0:00:01", 1), ("2-0", 2880),
        ("1-12:30", 2190), ("1-0:0:30", 1441), ("0", -1), ("UNLIMITED", -1), ("infinite", -1),
    ],
)  # fmt: skip
def test_times(text: str, expected: int) -> None:
    assert minutes(text) == expected


@pytest.mark.parametrize(
    ("text", "kib"),
    [("1", 1024), ("1500M", 1536000), ("2g", 2 * GB), ("2GB", 2 * GB), ("1T", 1024 * GB),
     ("1K", 1024), ("1025K", 2048), ("0", 0)],
)  # fmt: skip
def test_memory(text: str, kib: int) -> None:
    assert memory_kib(text) == kib


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (minutes, "1.5"), (minutes, "-5"), (minutes, "1:2:3:4"), (minutes, "9999999-0"),
        (memory_kib, "1.5G"), (memory_kib, "B"), (memory_kib, "5B"), (memory_kib, "1e9"),
        (memory_kib, "99999999T"), (nodes, "0"), (nodes, "-3"), (nodes, "٣"), (gpus, "a100:0"),
        (gpus, "1:2:3"), (gres, "gpu:a:b:2"), (array, "5-1"), (array, "1-2-3"), (array, ""),
        (array, "0-4000001"), (array, "1-10:0"), (array, "1%0"),
    ],
)  # fmt: skip
def test_what_is_no_value(reading: object, text: str) -> None:
    assert callable(reading)
    with pytest.raises(Unreadable):
        reading(text)


def test_where_options_end_and_what_only_looks_like_one() -> None:
    text = (
        "#!/bin/sh\n#SBATCH -n 2\n\n# a comment\n##SBATCH -n 3\n  #SBATCH -n 4\n"
        "module load x\n#SBATCH -n 5\n"
    )
    assert read_script(text).components[0].tasks == 2
    assert remarks(text) == [(Remark.INDENTED, 6), (Remark.AFTER_COMMAND, 8),
                             (Remark.FEWEST_NODES, 2)]  # fmt: skip


def test_what_sbatch_would_refuse_is_told() -> None:
    text = "#SBATCH --nonsense=1 -n two --mem\r\n#SBATCH stray --gpus-per-socket=1 -y 'open\r\n"
    assert remarks(text) == [
        (Remark.NO_SHEBANG, 0), (Remark.DOS_LINES, 0), (Remark.UNMATCHED_QUOTE, 2),
        (Remark.UNKNOWN_OPTION, 1), (Remark.UNKNOWN_OPTION, 2), (Remark.UNREADABLE, 1),
        (Remark.PER_SOCKET, 2), (Remark.UNREADABLE, 1),
    ]  # fmt: skip
    assert [r.text for r in read_script(HEAD + "#SBATCH --ntasks-per=2\n").remarks][:1] == [
        "--ntasks-per"
    ]


def test_what_counts_is_the_last_and_the_rest_is_told() -> None:
    text = HEAD + "#SBATCH --mem=1G -t 5\n#SBATCH --mem-per-cpu=2G -t 7 --exclusive\n"
    found = read_script(text)
    assert found.components[0].minutes == 7
    told = {(r.remark, r.line, r.text) for r in found.remarks}
    assert (Remark.REPLACED, 2, "--time=5") in told
    assert (Remark.MEMORY_TWICE, 2, "--mem") in told
    assert (Remark.EXCLUSIVE, 3, "--exclusive") in told


def test_components_of_a_heterogeneous_job() -> None:
    text = HEAD + "#SBATCH -n 1 -t 60 -p cpu -A lab\n#SBATCH hetjob\n#SBATCH -n 8 -p gpu -G 2\n"
    first, second = read_script(text).components
    assert (first.tasks, first.partition, first.minutes, first.gpus) == (1, "cpu", 60, ())
    assert (second.tasks, second.partition, second.minutes) == (8, "gpu", 60)
    assert (second.account, second.gpus) == ("lab", (("", 2),))
    assert Remark.HET in {r.remark for r in read_script(text).remarks}


@pytest.mark.parametrize(
    "text",
    [
        "x" * (MAX_TEXT + 1),
        HEAD + "#SBATCH \0",
        HEAD + "#SBATCH " + "a" * 5000,
        HEAD + "#SBATCH -n 1\n" * 2000,
        HEAD + "#SBATCH hetjob\n" * 200,
    ],
)
def test_what_is_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidScript):
        read_script(text)


@pytest.mark.parametrize(
    "line",
    [
        '"' * 4000, '\\"' * 2000, 'a"b' * 1300, "'" + "\\" * 4000, "-a " + "0-3999999," * 300 + "1",
        "-a " + "1," * 1900 + "1", "--gres=" + "gpu:1," * 600, "-" + "H" * 4000, "--" + "=" * 4000,
    ],
)  # fmt: skip
def test_hostile_lines_take_no_time(line: str) -> None:
    begun = time.process_time()
    read_script(f"{HEAD}#SBATCH {line}\n")
    assert time.process_time() - begun < 1


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    for script in (text, f"{HEAD}#SBATCH {text}\n#SBATCH --gres={text} -n {text} -a {text}"):
        for component in read_script(script).components:
            assert component.cpus >= 1
            assert component.jobs >= 1


@given(
    st.integers(1, 500), st.integers(1, 64), st.integers(1, 20), st.integers(1, 100),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_long_and_short_with_and_without_a_sign_say_the_same(
    tasks: int, cpus: int, count: int, hours: int, short: bool, spaced: bool
) -> None:
    options = {"-n": tasks, "-c": cpus, "-G": count, "-t": f"{hours}:00:00"}
    names = dict(zip(options, ("--ntasks", "--cpus-per-task", "--gpus", "--time"), strict=True))
    lines = [
        f"{key}{' ' if spaced else ''}{value}"
        if short
        else f"{names[key]}{' ' if spaced else '='}{value}"
        for key, value in options.items()
    ]
    found = asked(*lines)
    assert (found.cpus, found.gpus, found.minutes) == (tasks * cpus, (("", count),), hours * 60)
