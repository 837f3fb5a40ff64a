"""Starts throw-away services once for a whole test run, before Django reads its settings.

With pytest-xdist the controller starts them and its workers inherit the environment.
"""

import contextlib
import os
from collections.abc import Generator

import pytest

from hpcbilling.embedded import services
from hpcbilling.environment import TEST

_stack = contextlib.ExitStack()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    os.environ["ENVIRONMENT"] = TEST
    # Tests change prices as they like; those of the comparison before publishing set their own.
    os.environ.setdefault("CANARY_PERCENT", "1000000")
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        server, _, _ = os.environ["REDIS_URL"].rpartition("/")
        os.environ["REDIS_URL"] = f"{server}/{1 + int(worker.removeprefix('gw'))}"
    elif not (early_config.known_args_namespace.help or early_config.known_args_namespace.version):
        _stack.enter_context(services.stopped_by_signals())
        os.environ.update(_stack.enter_context(services.throw_away()))
        early_config.add_cleanup(_stack.close)
    return (yield)
