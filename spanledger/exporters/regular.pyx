# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, embedsignature=False
"""Columns of records whose values are all in order, compiled: what `values` does in Python, value by value.

Only what is in order is passed here. One value that must be repaired, converted or refused, and the whole column is
left to `values`, which knows how. So both give the same, and this file need not know how to mend.
"""


from libc.math cimport isfinite

from decimal import Decimal

from spanledger.exporters.text import encode_valid_json

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void* PyUnicode_DATA(object text)
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1

cdef enum Kind:
    TEXT
    UUID
    NATURAL  # 0 to 2**63 - 1
    TIME  # 0 to MAX_TIME
    INTEGER  # 64 bits, signed
    FLAG
    NUMBER
    WORDS
    LABELS
    MONEY
    MONEYS
    JSON

cdef dict KINDS = {
    "word": TEXT,
    "text": TEXT,
    "uuid": UUID,
    "count": NATURAL,
    "time": TIME,
    "integer": INTEGER,
    "flag": FLAG,
    "number": NUMBER,
    "words": WORDS,
    "labels": LABELS,
    "money": MONEY,
    "moneys": MONEYS,
    "json": JSON,
}

cdef object PICO = 10**12
cdef long long MAX_TIME = 9_214_646_400_000_000_000


class Irregular(Exception):
    """A value is not in order. Never leaves this module."""


def column(list records not None, str group not None, str leaf, str type_name not None, bint optional):
    cdef list found = []
    for record in records:
        value = getattr(record, group)
        if leaf is not None and value is not None:
            value = getattr(value, leaf)
        found.append(value)
    return regular(found, type_name, optional)


def regular(list values not None, str type_name not None, bint optional):
    cdef Kind kind
    if type_name not in KINDS:
        return None
    kind = KINDS[type_name]
    if kind >= MONEY:
        return converted(values, kind, optional)
    for value in values:
        if value is None:
            if not optional:
                return None
        elif kind == TEXT:
            if not is_text(value):
                return None
        elif kind == UUID:
            if not is_uuid(value):
                return None
        elif kind == FLAG:
            if value is not True and value is not False:
                return None
        elif kind == NUMBER:
            if type(value) is not float or not isfinite(<double>value):
                return None
        elif kind == WORDS:
            if type(value) is not list or not are_texts(<list>value):
                return None
        elif kind == LABELS:
            if type(value) is not dict or not are_labels(<dict>value):
                return None
        elif not is_whole(value, kind):
            return None
    return values


def filled(list values not None, missing):
    cdef list found = []
    for value in values:
        found.append(missing if value is None else value)
    return found


def has_empty(list values not None):
    for value in values:
        if type(value) is str and PyUnicode_GET_LENGTH(value) == 0:
            return True
    return False


cdef list converted(list values, Kind kind, bint optional):
    """Values that become others."""
    cdef list found = []
    try:
        for value in values:
            if value is None and optional:
                found.append(None)
            elif kind == JSON:
                found.append(encode_valid_json(value))
            elif kind == MONEY:
                found.append(pico(value))
            else:
                found.append(picos(value))
    except (UnicodeEncodeError, RecursionError, Irregular):
        return None
    return found


cdef object pico(object amount):
    cdef object scaled, whole
    if type(amount) is not Decimal or not amount.is_finite() or amount.adjusted() >= 6:
        raise Irregular  # 10**6 USD and more may be more than 64 bits hold
    scaled = amount * PICO
    whole = int(scaled)
    return whole if whole == scaled else round(scaled)


cdef dict picos(object amounts):
    cdef dict found = {}
    if type(amounts) is not dict:
        raise Irregular
    for name, amount in (<dict>amounts).items():
        if not is_text(name):
            raise Irregular
        found[name] = pico(amount)
    return found


cdef bint is_text(object value) except -1:
    cdef Py_ssize_t size
    if type(value) is not str:
        return False
    if PyUnicode_IS_COMPACT_ASCII(value):
        return True
    try:
        # Kept by the text for as long as it lives: whoever writes it to the store needs it next.
        PyUnicode_AsUTF8AndSize(value, &size)
    except UnicodeEncodeError:
        return False
    return True


cdef bint are_texts(list values) except -1:
    for value in values:
        if not is_text(value):
            return False
    return True


cdef bint are_labels(dict values) except -1:
    for key, value in values.items():
        if not is_text(key) or not is_text(value):
            return False
    return True


cdef bint is_whole(object value, Kind kind) except -1:
    cdef int overflow = 0
    cdef long long number
    if type(value) is not int:
        return False
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        return False
    if kind == INTEGER:
        return True
    return 0 <= number and (kind == NATURAL or number <= MAX_TIME)


cdef bint is_uuid(object value) except -1:
    """A UUID as it is stored: 36 characters, in lower case."""
    cdef const unsigned char* characters
    cdef unsigned char character
    cdef int at
    if type(value) is not str or not PyUnicode_IS_COMPACT_ASCII(value) or PyUnicode_GET_LENGTH(value) != 36:
        return False
    characters = <const unsigned char*>PyUnicode_DATA(value)
    for at in range(36):
        character = characters[at]
        if at == 8 or at == 13 or at == 18 or at == 23:
            if character != ord("-"):
                return False
        elif not (ord("0") <= character <= ord("9") or ord("a") <= character <= ord("f")):
            return False
    return True
