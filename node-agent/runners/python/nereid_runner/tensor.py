"""Tensors as models see them, and as they travel: numbers little-endian and row-major, an element of BYTES behind its length."""
import struct

import numpy as np

from .errors import TritonModelException

# Datatypes by the protocol's names, each with its number and name in configurations.
_TYPES = {
    "BOOL": (1, "TYPE_BOOL", np.bool_),
    "UINT8": (2, "TYPE_UINT8", np.uint8),
    "UINT16": (3, "TYPE_UINT16", np.uint16),
    "UINT32": (4, "TYPE_UINT32", np.uint32),
    "UINT64": (5, "TYPE_UINT64", np.uint64),
    "INT8": (6, "TYPE_INT8", np.int8),
    "INT16": (7, "TYPE_INT16", np.int16),
    "INT32": (8, "TYPE_INT32", np.int32),
    "INT64": (9, "TYPE_INT64", np.int64),
    "FP16": (10, "TYPE_FP16", np.float16),
    "FP32": (11, "TYPE_FP32", np.float32),
    "FP64": (12, "TYPE_FP64", np.float64),
    "BYTES": (13, "TYPE_STRING", np.object_),
}
_BY_NUMBER = {number: dtype for number, _, dtype in _TYPES.values()}
_BY_DTYPE = {np.dtype(dtype): name for name, (_, _, dtype) in _TYPES.items()}
TRITON_STRING_TO_NUMPY = {config_name: dtype for _, config_name, dtype in _TYPES.values()}
TRITON_STRING_TO_NUMPY["TYPE_BOOL"] = bool
_NO_BF16 = "TYPE_BF16 not currently supported."
# Tensors begin at multiples of this in a payload from the agent.
ALIGNMENT = 16


def triton_string_to_numpy(triton_type_string):
    return TRITON_STRING_TO_NUMPY[triton_type_string]


def triton_to_numpy_type(data_type):
    return _BY_NUMBER.get(data_type)


def numpy_to_triton_type(data_type):
    name = "BYTES" if data_type == np.bytes_ else _BY_DTYPE.get(np.dtype(data_type))
    return None if name is None else _TYPES[name][0]


def serialize_byte_tensor(input_tensor):
    """The elements of an array of objects or bytes, each behind its length; () for none, None for another kind of array."""
    if input_tensor.size == 0:
        return ()
    if input_tensor.dtype != np.object_ and input_tensor.dtype.type != np.bytes_:
        return None
    pieces = []
    for element in input_tensor.reshape(-1):
        data = element if isinstance(element, bytes) else str(element).encode("utf-8")
        pieces.append(struct.pack("<I", len(data)))
        pieces.append(data)
    return b"".join(pieces)


def deserialize_bytes_tensor(encoded_tensor):
    """A flat array of bytes objects."""
    elements = []
    at = 0
    view = memoryview(encoded_tensor)
    while at < len(view):
        (length,) = struct.unpack_from("<I", view, at)
        elements.append(bytes(view[at + 4 : at + 4 + length]))
        at += 4 + length
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array


class Tensor:
    """A named array."""

    def __init__(self, name, numpy_array):
        array = np.asarray(numpy_array)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        triton_dtype = "BYTES" if array.dtype.type == np.bytes_ else _BY_DTYPE.get(array.dtype)
        if triton_dtype is None:
            raise TritonModelException(f"Tensor '{name}' has an array of dtype {array.dtype}, which no datatype of the protocol holds.")
        self._name = name
        self._triton_dtype = triton_dtype
        self._array = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        self._shape = array.shape
        self._raw = None

    @classmethod
    def _received(cls, name, triton_dtype, shape, raw):
        tensor = cls.__new__(cls)
        tensor._name = name
        tensor._triton_dtype = triton_dtype
        tensor._array = None
        tensor._shape = tuple(shape)
        tensor._raw = raw
        return tensor

    def name(self):
        return self._name

    def shape(self):
        return list(self._shape)

    def triton_dtype(self):
        return _BF16_NUMBER if self._triton_dtype == "BF16" else _TYPES[self._triton_dtype][0]

    def is_cpu(self):
        return True

    def as_numpy(self):
        if self._array is None:
            if self._triton_dtype == "BF16":
                raise TritonModelException(_NO_BF16)
            flat = deserialize_bytes_tensor(self._raw) if self._triton_dtype == "BYTES" else self._raw.view(_TYPES[self._triton_dtype][2])
            self._array = flat.reshape(self._shape)
        return self._array

    def to_dlpack(self):
        return self.__dlpack__()

    def __dlpack__(self, *, stream=None):
        if self._triton_dtype == "BYTES":
            raise TritonModelException("TYPE_BYTES tensors cannot be converted to DLPack.")
        return self.as_numpy().__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)  # kDLCPU

    @staticmethod
    def from_dlpack(name, tensor):
        """Of another library's tensor, or of a capsule of one."""
        return Tensor(name, np.from_dlpack(tensor if hasattr(tensor, "__dlpack__") else _Capsule(tensor)))

    def _bytes(self):
        """What travels."""
        if self._raw is None:
            self._raw = serialize_byte_tensor(self._array) or b"" if self._triton_dtype == "BYTES" else self._array.reshape(-1).view(np.uint8)
        return memoryview(self._raw)


_BF16_NUMBER = 14


class _Capsule:
    """NumPy asks for what gives the capsule."""

    def __init__(self, capsule):
        self._capsule = capsule

    def __dlpack__(self, **_):
        return self._capsule

    def __dlpack_device__(self):
        return (1, 0)


def announced(tensors):
    """The heads of tensors and their bytes, which travel behind one another."""
    parts = [tensor._bytes() for tensor in tensors]
    heads = [[tensor._name, tensor._triton_dtype, list(tensor._shape), len(part)] for tensor, part in zip(tensors, parts)]
    return heads, parts


class TensorReader:
    """Takes announced tensors out of a payload, one after another; they are views of it."""

    def __init__(self, payload):
        self._payload = payload
        self._at = 0

    def take(self, heads):
        tensors = []
        for name, dtype, shape, size in heads:
            tensors.append(Tensor._received(name, dtype, shape, self._payload[self._at : self._at + size]))
            self._at += size + -size % ALIGNMENT
        return tensors
