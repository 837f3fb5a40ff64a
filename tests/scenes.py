"""Rows that many tests begin with, made once a worker and not once a test.

A scene is a clone of the migrated template in which a function made rows and committed them. Tests
that ask for its fixture run in that clone, and roll back what they do as in any other.
"""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from django.core.cache import cache
from django.db import connection, transaction

from tests import databases

T = TypeVar("T")
Build = Callable[[], object]

_builders: dict[Callable[..., object], Build] = {}
_standing: dict[Build, tuple[str, object]] = {}


def standing(build: Callable[[], T]) -> Any:
    """A fixture of what `build` returns, over rows that stand already: `receipt = standing(build)`.

    Each test gets a copy, so that it may change the objects, and stands in one scene at most. What
    `build` leaves for after its commit, such as mails, is dropped: in a test that rolls back, it
    would not happen either.
    """

    def scene(db: None) -> T:
        name, made = _standing.get(build, (None, None))
        if connection.settings_dict["NAME"] != name:
            pytest.fail("a test asks for its scene among its arguments, so that it begins in it")
        return copy.deepcopy(made)  # type: ignore[return-value] # build's own

    _builders[scene] = build
    return pytest.fixture(scene)


def database_for(item: pytest.Item, plain: str) -> str:
    """The database of a test: its scene's, made at first use, or else the plain one."""
    known = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    builds = {_builders[found[-1].func] for found in known.values() if found[-1].func in _builders}
    if len(builds) > 1:
        raise ValueError(f"{item.nodeid} stands in several scenes")
    return _place(builds.pop(), plain) if builds else plain


def _place(build: Build, plain: str) -> str:
    if build not in _standing:
        name = f"{plain}_scene{len(_standing)}"
        databases.clone(name)
        databases.point_at(name)
        with transaction.atomic():
            made = build()
            connection.run_on_commit.clear()
        cache.clear()
        _standing[build] = name, made
    return _standing[build][0]


def drop_all() -> None:
    """Drop the clones of this worker."""
    for name, _ in _standing.values():
        databases.drop(name)
    _standing.clear()
