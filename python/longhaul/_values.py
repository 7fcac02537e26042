# SPDX-License-Identifier: Apache-2.0
"""What does a caller mean by a name, a number or an element type?"""
import operator
from typing import Any, Dict, Optional, Tuple, Type, TypeVar, Union

from ._abi import DataType

E = TypeVar("E", bound=Any)

DTYPES = "int8, uint8, int32, uint32, int64, uint64, float16, float32, float64 and bfloat16"
_BY_NAME: Dict[Any, DataType] = {d.name.lower(): d for d in DataType}
_BY_NAME.update({"fp16": DataType.FLOAT16, "fp32": DataType.FLOAT32, "fp64": DataType.FLOAT64, "bf16": DataType.BFLOAT16})
_BY_NAME.update({d: d for d in DataType})

#: By kind (i, u, f) and bytes.
BY_KIND: Dict[Tuple[str, int], DataType] = {({"I": "i", "U": "u", "F": "f"}[d.name[0]], d.size): d for d in DataType if d is not DataType.BFLOAT16}


def type_called(name: str) -> Optional[DataType]:
    return _BY_NAME.get(name)


def data_type(dtype: Union[str, DataType]) -> DataType:
    """What a caller's dtype= names."""
    return named(_BY_NAME, dtype, "dtype", DTYPES)


def named(table: Dict[Any, E], value: Any, what: str, known: str) -> E:
    """The entry of `table` for a name or number; raises ValueError with what is `known`."""
    try:
        return table[value]
    except (KeyError, TypeError):
        pass
    if isinstance(value, str) and value.lower() in table:
        return table[value.lower()]
    if what == "dtype":  # numpy.float32, numpy.dtype("float32"), torch.float32
        short = getattr(value, "name", None) or getattr(value, "__name__", None) or str(value).replace("torch.", "")
        if short in table:
            return table[short]
    raise ValueError(f"{what} {value!r} is not known: use {known}")


def names_of(kind: Type[E]) -> Tuple[Dict[Any, E], str]:
    """A table for named(): every member by its name, itself and its number; and the list of names."""
    members = list(kind)
    table: Dict[Any, E] = {m: m for m in members}
    table.update({m.name.lower(): m for m in members})
    return table, ", ".join(m.name.lower() for m in members)


def integer(value: Any, what: str, low: int, high: int) -> int:
    """`value` as an integer of that range: ctypes would cut off what does not fit without a word."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, not {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{what} is {number}: must be {low} to {high}")
    return number
