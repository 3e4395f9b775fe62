"""Digest of a fitted model's state: the same for equal models, however, where and by what they were stored.

Belongs here: the walk over objects, and what counts as their state.
Does not: how arrays become bytes (`array_bytes`), and model files, whose bytes differ for equal models.

What counts: the class by qualified name, parameters and fitted attributes as pickle would store them, arrays by dtype,
shape and cells, numbers by their bits, functions by qualified name.
What does not: order of dict items and sets, which objects are shared, memory layout, the package version that
scikit-learn adds to a state (the environment pin holds it), and how a random generator was seeded: its state counts.
A model that stores times of day or durations (as searches over parameters do) never gives the same digest twice.
"""

from __future__ import annotations

import copyreg
import hashlib
import struct
import types
from collections.abc import Iterable
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.array_bytes import array_parts, is_array, is_plain_dtype, is_sparse, sparse_parts

ALGORITHM = "modfp/1"

_PICKLE_PROTOCOL = 4  # fixed, since objects may reduce to other parts under another one
_ADDED_BY_SKLEARN = "_sklearn_version"
_NOT_ON_A_CYCLE = 2**63
_CONTAINERS = (list, tuple, dict, set, frozenset)


def model_digest(model: object) -> str:
    """Digest the fitted state of a model.

    Args:
        model: An estimator, or any tree of containers, numbers, text, arrays and picklable objects.

    Returns:
        64 hexadecimal digits.

    Raises:
        BadInput: Some part has no state that can be read (a lambda, an open file, a lock, an extension class that does
            not pickle); `where` is its path from the model, such as `$.steps[1][1].loss`.
    """
    try:
        content = _Walk().digest(model, "$")
    except RecursionError as error:
        raise BadInput("a model is nested too deeply for a digest", where=type(model).__name__) from error
    return _hash("root", ALGORITHM.encode(), content).hex()


class _Walk:
    """One pass over one model.

    Attributes:
        _open: Position of each object that is being walked, outermost first; meeting one again is a cycle.
        _done: Digest by id of objects met before that are on no cycle, with the object itself so that its id stays taken.
        _reached: Outermost open position that the parts walked since then refer back to.
    """

    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        self._done: dict[int, tuple[object, bytes]] = {}
        self._reached = _NOT_ON_A_CYCLE

    def digest(self, value: Any, path: str) -> bytes:
        atom = _atom(value)
        if atom is not None:
            return atom
        if id(value) in self._done:
            return self._done[id(value)][1]
        if id(value) in self._open:
            position = self._open[id(value)]
            self._reached = min(self._reached, position)
            # Counted from here, so that a whole cycle has one digest wherever in the model it hangs.
            return _hash("cycle", _number(len(self._open) - position))
        return self._enter(value, path)

    def _enter(self, value: Any, path: str) -> bytes:
        position, outer = len(self._open), self._reached
        self._open[id(value)] = position
        self._reached = _NOT_ON_A_CYCLE
        found = self._compound(value, path)
        del self._open[id(value)]
        # An object on a cycle has another digest from each place where the cycle is entered, so it is walked again.
        # Containers and arrays are often made for the walk only: keeping them would hold a second copy of the model.
        if self._reached > position and not (isinstance(value, _CONTAINERS) or is_array(value)):
            self._done[id(value)] = (value, found)
        self._reached = min(outer, self._reached if self._reached < position else _NOT_ON_A_CYCLE)
        return found

    def _compound(self, value: Any, path: str) -> bytes:
        kind = type(value)
        if kind in (list, tuple):
            return _hash(kind.__name__, *self._items(value, path))
        if isinstance(value, (set, frozenset)):
            state = self._state(getattr(value, "__dict__", None), path)
            return _hash("set", _name(kind, path), state, *sorted(self._items(value, path)))
        if kind is dict:
            return self._mapping(value.items(), path)
        if is_array(value):
            return self._array(value, path)
        if is_sparse(value):
            return _hash("sparse", _name(kind, path), *(self._array(part, path) for part in sparse_parts(value)))
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)):
            return self._named(value, path)
        return self._object(value, path)

    def _items(self, values: Iterable[Any], path: str) -> list[bytes]:
        return [self.digest(item, f"{path}[{index}]") for index, item in enumerate(values)]

    def _mapping(self, items: Iterable[tuple[Any, Any]], path: str, *, attributes: bool = False) -> bytes:
        pairs = []
        for key, item in items:
            step = f".{key}" if attributes else f"[{key!r}]"
            pairs.append(_hash("item", self.digest(key, f"{path}.keys()"), self.digest(item, path + step)))
        return _hash("dict", *sorted(pairs))

    def _array(self, array: Any, path: str) -> bytes:
        header, fields = array_parts(array, path)
        cells = [
            _hash("cells", content) if isinstance(content, bytes) else _hash("objects", *self._items(content, path))
            for content in fields
        ]
        return _hash("array", header, *cells)

    def _named(self, value: Any, path: str) -> bytes:
        owner = getattr(value, "__self__", None)
        if isinstance(value, types.BuiltinFunctionType) and not isinstance(owner, (types.ModuleType, type(None))):
            return _hash("method", self.digest(owner, f"{path}.__self__"), value.__name__.encode())
        if isinstance(value, types.ModuleType):
            return _hash("module", value.__name__.encode())
        return _hash("name", _name(value, path))

    def _object(self, value: Any, path: str) -> bytes:
        generator = _generator_state(value)
        if generator is not None:
            return _hash("random", _name(type(value), path), self.digest(generator, path))
        reduced = _reduce(value, path)
        if isinstance(reduced, str):
            return _hash("name", f"{getattr(value, '__module__', None)}.{reduced}".encode())
        maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        return _hash(
            "object",
            _name(type(value), path),
            self.digest(maker, f"{path}.__reduce__()[0]"),
            self.digest(arguments, f"{path}.__reduce__()[1]"),
            self._state(state, path),
            *self._items(() if items is None else items, path),
            self._mapping(() if pairs is None else pairs, path),
        )

    def _state(self, state: Any, path: str) -> bytes:
        if state is None or type(state) is dict:
            # Python gives None or {} for an object without attributes, whichever it happens to hold.
            kept = ((key, item) for key, item in (state or {}).items() if key != _ADDED_BY_SKLEARN)
            return self._mapping(kept, path, attributes=True)
        return self.digest(state, f"{path}.__getstate__()")


def _atom(value: Any) -> bytes | None:
    """Digest of a value without parts; None for any other."""
    kind = type(value)
    if value is None or kind is bool:
        return _hash("constant", repr(value).encode())
    if kind is int:
        return _hash("int", str(value).encode())
    if kind is float:
        return _hash("float", struct.pack("<d", value))
    if kind is complex:
        return _hash("complex", struct.pack("<2d", value.real, value.imag))
    if kind is str:
        return _hash("str", value.encode("utf-8", "surrogatepass"))
    if kind in (bytes, bytearray):
        return _hash(kind.__name__, bytes(value))
    if is_plain_dtype(value):
        return _hash("dtype", value.newbyteorder("<").str.encode())
    return None


def _generator_state(value: Any) -> Any:
    """State of a numpy random generator; None for the rest.

    Its seed is left out: skops restores a `RandomState` by its state alone, into one seeded by chance.
    """
    import numpy as np

    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return value.state if isinstance(value, np.random.BitGenerator) else None


def _reduce(value: Any, path: str) -> Any:
    try:
        registered = copyreg.dispatch_table.get(type(value))
        return registered(value) if registered else value.__reduce_ex__(_PICKLE_PROTOCOL)
    except (TypeError, AttributeError, NotImplementedError, ValueError) as error:
        raise BadInput(
            f"a model holds something without a state to read ({error})",
            where=path,
            stored=type(value).__name__,
            expected="numbers, text, arrays, containers or objects that pickle",
            fix="Leave it out of the model.",
        ) from error


def _name(value: Any, path: str) -> bytes:
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name:
        raise BadInput(
            "a model holds a function or class that its name does not identify",
            where=path,
            stored=name,
            expected="one defined at the top level of a module",
            fix="Define it in a module.",
        )
    return name.encode()


def _hash(kind: str, *parts: bytes) -> bytes:
    hasher = hashlib.sha256(_number(len(kind)) + kind.encode())
    for part in parts:
        hasher.update(_number(len(part)))
        hasher.update(part)
    return hasher.digest()


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")
