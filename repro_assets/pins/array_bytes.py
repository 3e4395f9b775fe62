"""The bytes of an array that count: its cells in row order, without padding, pointers, byte order or memory layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

from repro_assets.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

_BYTES_OF_A_DOUBLE = {"f": 8, "c": 16}


def is_array(value: object) -> TypeGuard[np.ndarray[Any, Any] | np.generic]:
    """Whether a value is a numpy array or a numpy scalar."""
    import numpy as np

    return isinstance(value, (np.ndarray, np.generic))


def is_plain_dtype(value: object) -> TypeGuard[np.dtype[Any]]:
    """Whether a value is a numpy dtype that its string says in full (neither structured nor with metadata)."""
    import numpy as np

    return isinstance(value, np.dtype) and value.names is None and value.subdtype is None and value.kind != "T"


def is_sparse(value: object) -> bool:
    """Whether a value is a scipy sparse matrix or array; scipy is not imported for the answer."""
    import sys

    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and scipy_sparse.issparse(value)


def array_parts(value: Any, where: str) -> tuple[bytes, list[bytes | list[Any]]]:
    """Take an array or a numpy scalar apart.

    Args:
        value: Any shape and dtype; an array subclass counts as an array, a masked one by its mask as well.
        where: Path of the array in its model, for the error.

    Returns:
        A header that says kind, shape and dtype of every field, and per field its cells: bytes in row order,
        or a list of objects where the dtype holds Python objects.

    Raises:
        BadInput: The dtype's bytes are not determined by its values (extended precision).
    """
    import numpy as np

    kind = "scalar" if isinstance(value, np.generic) else "array"
    arrays = [np.asarray(value)]
    if isinstance(value, np.ma.MaskedArray):
        kind, mask = "masked", np.ma.getmaskarray(value)
        arrays = [np.where(mask, np.zeros((), value.dtype), value.data), mask]
    fields = [(name, field) for array in arrays for name, field in _fields(array, "")]
    header = [kind, *(f"{name}:{_dtype(field, where)}{field.shape}" for name, field in fields)]
    return "\n".join(header).encode(), [_cells(field) for _, field in fields]


def sparse_parts(value: Any) -> list[np.ndarray[Any, Any]]:
    """Shape, row, column and value arrays of a sparse matrix; the same for every order of its entries.

    Args:
        value: Any format, shape `(rows, columns)` or `(columns,)`.
    """
    import numpy as np

    entries = value.tocoo(copy=True)
    entries.sum_duplicates()
    coordinates = [np.asarray(axis, np.int64) for axis in entries.coords]
    return [np.array(value.shape, np.int64), *coordinates, entries.data]


def _fields(array: np.ndarray[Any, Any], path: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The array itself, or the innermost fields of a structured one: what lies between fields is padding."""
    if array.dtype.names is None:
        yield path, array
        return
    for name in array.dtype.names:
        yield from _fields(array[name], f"{path}/{name!r}")


def _dtype(array: np.ndarray[Any, Any], where: str) -> str:
    if _holds_objects(array):
        return "object"
    if array.dtype.itemsize > _BYTES_OF_A_DOUBLE.get(array.dtype.kind, array.dtype.itemsize):
        raise BadInput(
            "a model holds an array of extended precision, whose bytes differ between machines",
            where=where,
            stored=array.dtype,
            expected="float64 or less",
        )
    return array.dtype.newbyteorder("<").str


def _cells(array: np.ndarray[Any, Any]) -> bytes | list[Any]:
    if _holds_objects(array):
        return list(array.ravel(order="C").tolist())
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(order="C")


def _holds_objects(array: np.ndarray[Any, Any]) -> bool:
    # Kind T, text of any length, holds pointers too.
    return array.dtype.kind in "OT"
