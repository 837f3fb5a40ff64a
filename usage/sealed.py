"""Frozen dataclasses made fast: filled while unfrozen, then sealed.

A frozen dataclass sets each of its fields through ``object.__setattr__``. For a record of twenty
fields that takes longer than to parse it, and a million of them are made in one import.
"""

from collections.abc import Callable
from dataclasses import fields, make_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def maker(cls: type[Record]) -> Callable[..., Record]:
    """A constructor of ``cls`` (frozen, slotted, all fields by position) without that cost.

    The twin has the same slots, so Python lets its objects change class: they become frozen.
    """
    names = [field.name for field in fields(cls)]
    twin: Any = make_dataclass(f"{cls.__name__}Draft", names, slots=True)

    def make(*values: object) -> Record:
        draft: Any = twin(*values)
        draft.__class__ = cls
        sealed: Record = draft
        return sealed

    return make
