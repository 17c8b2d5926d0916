"""Chunks of arrays as Zarr keeps them: compressed, with a checksum, and never larger than they should be."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require_memory
from mpsnh.run.storage import numcodecs

COMPRESSOR = {"id": "zstd", "level": 1, "checksum": True}
"""How chunks are compressed, as Zarr says it."""

SLACK = 1024
"""Bytes that compression may add to a chunk, apart from a hundredth."""


@functools.cache
def _codec() -> Any:
    return numcodecs.Zstd(level=1, checksum=True)


class DamagedError(OSError):
    """What a store holds can't be read, or is not what was written.

    Examples
    --------
    >>> issubclass(DamagedError, OSError)
    True
    """


def encoded(array: NDArray[Any], chunk: Sequence[int]) -> bytes:
    """Return a chunk as a file holds it.

    Parameters
    ----------
    array : ndarray
        Its elements; at the end of an axis they may be fewer than in a chunk.
    chunk : sequence of int
        The size of a chunk.

    Examples
    --------
    >>> decoded(encoded(np.arange(2), (3,)), (3,), np.dtype(int)).tolist()
    [0, 1, 0]
    """
    if array.shape != tuple(chunk):
        whole = np.zeros(chunk, array.dtype)
        whole[tuple(map(slice, array.shape))] = array
        array = whole
    return bytes(_codec().encode(np.ascontiguousarray(array)))


def decoded(data: bytes, chunk: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return what is in a chunk.

    Parameters
    ----------
    data : bytes
        What the file holds.
    chunk : sequence of int
        The size of a chunk.
    dtype : dtype
        The type of its elements.

    Raises
    ------
    DamagedError
        If it is no chunk of this size and type.

    Examples
    --------
    >>> decoded(encoded(np.arange(3.0), (3,)), (3,), np.dtype(float)).tolist()
    [0.0, 1.0, 2.0]
    """
    nbytes = math.prod(chunk) * dtype.itemsize
    if (size := _content_size(data)) != nbytes:
        raise DamagedError(f"a chunk says that it has {size} bytes instead of {nbytes}")
    values = np.empty(tuple(chunk), dtype)
    if nbytes:
        try:
            _codec().decode(data, out=values)
        except (RuntimeError, ValueError) as error:
            raise DamagedError(str(error)) from None
    return values


def largest(chunk: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return how many bytes the file of a chunk may have.

    Parameters
    ----------
    chunk : sequence of int
        The size of a chunk.
    dtype : dtype
        The type of its elements.

    Raises
    ------
    MemoryError
        If the chunk does not fit into memory.

    Examples
    --------
    >>> largest((100,), np.dtype(float))
    1832
    """
    nbytes = math.prod(chunk) * dtype.itemsize
    require_memory(nbytes, f"a chunk of shape {tuple(chunk)}")
    return int(1.01 * nbytes) + SLACK


def _content_size(data: bytes) -> int | None:
    """Return how many bytes a frame says that it has, if it has a checksum; see RFC 8878, 3.1.1.1."""
    if data[:4] != b"\x28\xb5\x2f\xfd" or len(data) < 6 or not data[4] & 4 or data[4] & 3:
        return None
    single, kind = data[4] & 0x20, data[4] >> 6
    start, width = (5 if single else 6), ((1 if single else 0), 2, 4, 8)[kind]
    field = data[start : start + width]
    if not width or len(field) < width:
        return None
    return int.from_bytes(field, "little") + (256 if width == 2 else 0)


def documents(
    shape: Sequence[int], chunk: Sequence[int], dtype: np.dtype[Any], dims: Sequence[str], attrs: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return the two files that describe an array to Zarr (format 2) and to xarray.

    Parameters
    ----------
    shape, chunk : sequence of int
        Sizes of the array and of a chunk.
    dtype : dtype
        The type of its elements.
    dims : sequence of str
        Names of its dimensions.
    attrs : mapping
        Its attributes.

    Examples
    --------
    >>> sorted(documents((4,), (2,), np.dtype(float), ["h"], {}))
    ['.zarray', '.zattrs']
    """
    array = {
        "shape": list(shape),
        "chunks": list(chunk),
        "dtype": dtype.str if dtype.names is None else [[name, dtype[name].str] for name in dtype.names],
        "fill_value": {"f": "NaN", "c": ["NaN", "NaN"]}.get(dtype.kind),
        "order": "C",
        "filters": None,
        "dimension_separator": ".",
        "compressor": COMPRESSOR,
        "zarr_format": 2,
    }
    return {".zarray": text(array), ".zattrs": text({**attrs, "_ARRAY_DIMENSIONS": list(dims)})}


def text(data: Any) -> bytes:
    """Return plain data as the bytes of a JSON file.

    Parameters
    ----------
    data : Any
        What JSON can hold.

    Examples
    --------
    >>> text({"a": 1})
    b'{"a": 1}'
    """
    return json.dumps(data, allow_nan=True).encode()
