# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, embedsignature=False
"""Columns to a block of ClickHouse's Native format, compiled: what the driver does in Python, for the ledger's types.

https://clickhouse.com/docs/interfaces/formats/Native: number of columns, number of rows, then for each column its name,
its type and its values one after the other. The bytes are those that the driver writes.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void* PyUnicode_DATA(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef enum Kind:
    TEXT
    UUID
    INT64
    UINT64
    UINT32
    FLOAT64
    BYTE
    LOW_CARDINALITY  # of text
    ARRAY
    MAP

cdef dict SCALARS = {
    "String": TEXT,
    "UUID": UUID,
    "Int64": INT64,
    "DateTime64(9, 'UTC')": INT64,
    "UInt64": UINT64,
    "UInt32": UINT32,
    "Float64": FLOAT64,
    "Bool": BYTE,
    "UInt8": BYTE,
    "LowCardinality(String)": LOW_CARDINALITY,
}

cdef uint64_t DICTIONARY_VERSION = 1
cdef uint64_t NEW_DICTIONARY = 1 << 10 | 1 << 9  # its keys stand in the block, and none elsewhere


@cython.final
cdef class Buffer:
    """Bytes that grow."""

    cdef char* data
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef char* more(self, Py_ssize_t count) except NULL:
        """Where the next `count` bytes go."""
        cdef char* grown
        if count > self.room - self.size:
            self.room = max(2 * self.room, self.size + count, 4096)
            grown = <char*>PyMem_Realloc(self.data, self.room)
            if grown is NULL:
                raise MemoryError
            self.data = grown
        self.size += count
        return self.data + self.size - count

    cdef int number(self, uint64_t value) except -1:
        memcpy(self.more(8), &value, 8)
        return 0

    cdef int varint(self, uint64_t value) except -1:
        while value > 0x7F:
            self.more(1)[0] = <char>(value & 0x7F | 0x80)
            value >>= 7
        self.more(1)[0] = <char>value
        return 0

    cdef int text(self, object value) except -1:
        """A str, or the bytes of one."""
        cdef Py_ssize_t size
        if type(value) is str and PyUnicode_IS_COMPACT_ASCII(value):
            size = PyUnicode_GET_LENGTH(value)
            self.varint(size)
            memcpy(self.more(size), PyUnicode_DATA(value), size)
            return 0
        cdef const char* data
        if type(value) is bytes:
            size = PyBytes_GET_SIZE(value)
            data = PyBytes_AS_STRING(value)
        else:
            data = PyUnicode_AsUTF8AndSize(<str?>value, &size)
        self.varint(size)
        memcpy(self.more(size), data, size)
        return 0


@cython.final
cdef class Type:
    """A column type, taken apart."""

    cdef Kind kind
    cdef bint nullable
    cdef Type key  # of a map
    cdef Type member  # of an array or a map

    def __cinit__(self, str name):
        if name.startswith("Nullable("):
            self.nullable = True
            name = name[9 : len(name) - 1]
        if name.startswith("Array("):
            self.kind = ARRAY
            self.member = Type(name[6 : len(name) - 1])
        elif name.startswith("Map("):
            self.kind = MAP
            key, _, value = name[4 : len(name) - 1].partition(", ")
            self.key = Type(key)
            self.member = Type(value)
        else:
            self.kind = SCALARS[name]

    cdef int start(self, Buffer to) except -1:
        """What stands before all values of the column, whatever the type is nested in."""
        if self.kind == LOW_CARDINALITY:
            to.number(DICTIONARY_VERSION)
        if self.key is not None:
            self.key.start(to)
        if self.member is not None:
            self.member.start(to)
        return 0

    cdef int write(self, list values, Buffer to) except -1:
        cdef char* place
        if self.nullable:
            place = to.more(len(values))
            for value in values:
                place[0] = value is None
                place += 1
        if self.kind == TEXT:
            for value in values:
                to.text(value)
        elif self.kind == LOW_CARDINALITY:
            write_dictionary(values, to)
        elif self.kind == ARRAY:
            self.write_arrays(values, to)
        elif self.kind == MAP:
            self.write_maps(values, to)
        else:
            self.write_fixed(values, to)
        return 0

    cdef int write_fixed(self, list values, Buffer to) except -1:
        cdef Py_ssize_t size = 16 if self.kind == UUID else 1 if self.kind == BYTE else 4 if self.kind == UINT32 else 8
        cdef char* place = to.more(size * len(values))
        cdef uint64_t natural
        cdef uint32_t small
        cdef int64_t whole
        cdef double real
        for value in values:
            if value is None:
                memset(place, 0, size)
            elif self.kind == UUID:
                write_uuid(<str?>value, place)
            elif self.kind == UINT32:
                small = value
                memcpy(place, &small, 4)
            elif self.kind == UINT64:
                natural = value
                memcpy(place, &natural, 8)
            elif self.kind == INT64:
                whole = value
                memcpy(place, &whole, 8)
            elif self.kind == FLOAT64:
                real = value
                memcpy(place, &real, 8)
            else:
                place[0] = <uint8_t>value
            place += size
        return 0

    cdef int write_arrays(self, list values, Buffer to) except -1:
        cdef uint64_t end = 0
        cdef list members = []
        for value in values:
            end += len(value)
            to.number(end)
            members.extend(value)
        return self.member.write(members, to)

    cdef int write_maps(self, list values, Buffer to) except -1:
        cdef uint64_t end = 0
        cdef list keys = [], members = []
        for value in values:
            end += len(value)
            to.number(end)
            keys.extend(value)
            members.extend((<dict?>value).values())
        self.key.write(keys, to)
        return self.member.write(members, to)


cdef int write_dictionary(list values, Buffer to) except -1:
    """The different texts, then for each value which of them it is."""
    cdef dict places = {}
    cdef Py_ssize_t width, power = 0
    cdef uint64_t at
    cdef char* place
    if not values:
        return 0
    for value in values:
        places.setdefault(value, len(places))
    while power < 3 and len(places) >> (8 << power):
        power += 1
    width = 1 << power
    to.number(NEW_DICTIONARY | power)
    to.number(len(places))
    for value in places:
        to.text(value)
    to.number(len(values))
    place = to.more(width * len(values))
    for value in values:
        at = places[value]
        memcpy(place, &at, width)  # little-endian, like the format
        place += width
    return 0


cdef int write_uuid(str value, char* to) except -1:
    """36 characters to two numbers of 64 bits, the first half first."""
    cdef uint64_t[2] halves
    cdef int digits = 0
    cdef Py_UCS4 character
    cdef uint64_t digit
    halves[0] = halves[1] = 0
    for character in value:
        if character == ord("-"):
            continue
        if ord("0") <= character <= ord("9"):
            digit = <uint64_t>character - ord("0")
        elif ord("a") <= character <= ord("f"):
            digit = <uint64_t>character - ord("a") + 10
        else:
            raise ValueError("not a UUID in lower case")
        if digits == 32:
            raise ValueError("longer than a UUID")
        halves[digits >> 4] = halves[digits >> 4] << 4 | digit
        digits += 1
    if digits != 32:
        raise ValueError("shorter than a UUID")
    memcpy(to, halves, 16)
    return 0


cdef dict TYPES = {}


def writes(types):
    for name in types:
        if name not in TYPES:
            try:
                TYPES[name] = Type(name)
            except KeyError:
                return False
    return True


def block(names, types, columns):
    cdef Buffer to = Buffer()
    cdef Type type_
    to.varint(len(columns))
    to.varint(len(columns[0]))
    for name, type_name, values in zip(names, types, columns, strict=True):
        if type_name not in TYPES:
            TYPES[type_name] = Type(type_name)
        type_ = TYPES[type_name]
        to.text(name)
        to.text(type_name)
        if len(values) != len(columns[0]):
            raise ValueError(f"{name} has another number of values")
        type_.start(to)
        type_.write(values, to)
    return PyBytes_FromStringAndSize(to.data, to.size)
