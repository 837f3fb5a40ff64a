"""compose.yaml, Dockerfile and .env.example say what the settings and entry points really are."""

import ast
import importlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
APPLICATION = ("migrate", "web", "worker", "beat")
# Files that may read the environment. Everything else reads settings.
READERS = (
    "core/metrics.py",
    "hpcbilling/environment.py",
    "hpcbilling/gunicorn_conf.py",
    "hpcbilling/health.py",
    "hpcbilling/settings.py",
    # Variables that the operator's connections name, and those that a command needs.
    "usage/sources/processes.py",
    "usage/sources/tokens.py",
)
LAUNCHER = "hpcbilling/embedded/"
COMPOSE_ONLY = {
    "POSTGRES_PASSWORD",
    "DATABASE_OWNER_PASSWORD",
    "DATABASE_PASSWORD",
    "REDIS_PASSWORD",
}
NAME = re.compile(r"[A-Z][A-Z_]+")


def sources() -> Iterator[tuple[str, ast.Module]]:
    for app in PROJECT.glob("*/apps.py"):
        for path in app.parent.rglob("*.py"):
            name = path.relative_to(PROJECT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def mentions_environment(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        for node in ast.walk(tree)
    )


def names_read(tree: ast.Module) -> set[str]:
    """Names given as text to calls whose target or first argument is the environment."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        target = ast.unparse(node.func)
        about = " ".join(ast.unparse(argument) for argument in node.args[:1])
        if not re.search(r"\benv\.|environ|variables", f"{target} {about}"):
            continue
        for argument in node.args[:2]:
            if isinstance(argument, ast.Constant) and NAME.fullmatch(str(argument.value)):
                found.add(str(argument.value))
    return found


def variables_read() -> set[str]:
    trees = (ast.parse((PROJECT / path).read_text(encoding="utf-8")) for path in READERS)
    read = {name for tree in trees for name in names_read(tree)}
    return (read | {"DEMO_DIRECTORY"}) - {"DJANGO_SETTINGS_MODULE"}


def example() -> dict[str, bool]:
    """The variables of .env.example, and whether each is commented out."""
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    return {
        name: bool(comment)
        for comment, name in re.findall(r"^(# )?([A-Z][A-Z_]+)=", text, re.MULTILINE)
    }


def test_only_a_few_files_read_the_environment() -> None:
    readers = {
        path
        for path, tree in sources()
        if mentions_environment(tree) and not path.startswith(LAUNCHER)
    }
    entry_points = {f"hpcbilling/{name}.py" for name in ("asgi", "celery", "wsgi")}
    assert readers - entry_points == set(READERS)


def test_the_example_lists_every_variable_and_no_other() -> None:
    read = variables_read()
    assert {"SECRET_KEY", "LOG_LEVEL", "PROMETHEUS_MULTIPROC_DIR", "PORT"} <= read
    assert set(example()) == read | COMPOSE_ONLY


def test_the_example_as_it_is_does_not_start() -> None:
    required = {name: "x" for name, commented in example().items() if not commented}
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert set(values) == set(required)
    done = load_settings(values)
    assert done.returncode != 0
    assert "SECRET_KEY is a published default" in done.stderr


def test_what_the_example_marks_as_required_is_enough() -> None:
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))
    done = load_settings(values | {"SECRET_KEY": os.urandom(24).hex()})
    assert done.returncode == 0, done.stderr


def test_the_defaults_that_the_example_shows_are_accepted() -> None:
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))
    del values["DATABASE_OWNER_URL"], values["PROMETHEUS_MULTIPROC_DIR"]
    done = load_settings(values | {"SECRET_KEY": os.urandom(24).hex()})
    assert done.returncode == 0, done.stderr


def load_settings(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import hpcbilling.settings"],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("service", APPLICATION)
def test_compose_sets_known_variables_and_all_that_production_needs(service: str) -> None:
    given = set(COMPOSE["services"][service]["environment"])
    assert given <= variables_read()
    required = {name for name, commented in example().items() if not commented}
    assert required - COMPOSE_ONLY <= given


def test_compose_asks_for_variables_that_the_example_has() -> None:
    text = (PROJECT / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) <= set(example())


def test_the_owners_password_reaches_migrations_and_the_database_alone() -> None:
    holders = {
        name
        for name, service in COMPOSE["services"].items()
        if "DATABASE_OWNER" in yaml.safe_dump(service.get("environment", {}))
    }
    assert holders == {"migrate", "postgres"}


def test_compose_starts_what_exists() -> None:
    commands = {name: COMPOSE["services"][name]["command"] for name in APPLICATION}
    assert commands["migrate"][:2] == ["python", "manage.py"]
    assert commands["migrate"][2] in get_commands()
    assert commands["web"][0] == "gunicorn"
    assert callable(importlib.import_module(commands["web"][1]).application)
    config = importlib.import_module(commands["web"][3].removeprefix("python:"))
    assert config.worker_class == "gthread"
    for name in ("worker", "beat"):
        assert commands[name][:4] == ["celery", "-A", "hpcbilling", name]
    assert importlib.import_module("hpcbilling.celery").app.main == "hpcbilling"


def test_compose_waits_for_migrations_and_hides_tools() -> None:
    for name in ("web", "worker", "beat"):
        waits = COMPOSE["services"][name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
    assert COMPOSE["services"]["adminer"]["profiles"] == ["tools"]
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_files_that_compose_mounts_exist() -> None:
    script = PROJECT / "deploy" / "postgres-roles.sh"
    mounts = COMPOSE["services"]["postgres"]["volumes"]
    assert f"./{script.relative_to(PROJECT)}:/docker-entrypoint-initdb.d/roles.sh:ro" in mounts
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["sh", "-n", script], check=True)


def test_the_image_runs_the_web_server_as_an_ordinary_user() -> None:
    instructions = [
        line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line[:1].isupper()
    ]
    words = [instruction for instruction, *_ in instructions]
    assert words.index("USER") < words.index("CMD")
    assert dict(pair for pair in instructions if len(pair) == 2)["USER"] == "hpcbilling"
    command = ast.literal_eval(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    assert command == COMPOSE["services"]["web"]["command"]
    health = re.search(r"^ +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert health
    assert callable(importlib.import_module(ast.literal_eval(health[1])[2]).main)


def test_the_image_installs_the_hashed_lock_and_sets_known_variables() -> None:
    assert "--require-hashes -r /tmp/requirements.txt" in DOCKERFILE
    assert (PROJECT / "requirements.txt").exists()
    block = re.search(
        r"^ENV PATH.*?(?=^\S)", DOCKERFILE[DOCKERFILE.rindex("FROM") :], re.DOTALL | re.MULTILINE
    )
    assert block
    own = {name for name in re.findall(r"([A-Z_]+)=", block[0]) if not name.startswith("PYTHON")}
    assert own - {"PATH", "TMPDIR", "DJANGO_SETTINGS_MODULE"} <= variables_read()


def test_secrets_and_data_stay_out_of_the_image() -> None:
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".env", ".services", ".git", "tests"} <= set(ignored)
