# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, embedsignature=False
# cython: freethreading_compatible=False
"""OTLP/protobuf to items, compiled: what `protobuf` does in Python for spans and log records, on the bytes themselves.

Only what is in order is decoded here. Whatever is not makes its item *irregular* (`Irregular` is raised): text that is
no UTF-8, a field whose wire type is not its own, a message given twice, an id of the wrong length, a timestamp in
milliseconds, a value nested too deeply. The plain decoder then reads that one item again, from the start, with its
repairs, its refusals and its words for them. So both answer the same, and this file need not know how to mend.

All bytes are read through `next_field`, which is the only place that moves a cursor and the only one that checks a
length: what it answers lies inside the message it was asked about.

https://protobuf.dev/programming-guides/encoding/ and opentelemetry-proto (`trace.proto`, `logs.proto`, `common.proto`)
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import os

from spanledger.errors import PayloadTooLarge
from spanledger.model.keys import is_absent
from spanledger.model.received import Decoded, Signal
from spanledger.model.span import SPAN_KINDS, STATUS_ERROR, Event, Link, LogRecord, Resource, Scope, Span
from spanledger.receiver.wire.group import Group
from spanledger.receiver.wire.protobuf import PlainDecoder

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_KIND(object text)  # bytes of a character
    object object_new "PyBaseObject_Type.tp_new"(type kind, tuple arguments, PyObject* keywords)
    int PyObject_SetAttr(object target, object name, object value) except -1
    int PyObject_GenericSetDict(object target, object value, void* context) except -1


class Irregular(Exception):
    """What is read here is not in order, or not in the order that everybody writes. Never leaves this module."""


# The wire format.

cdef enum Kind:
    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    FIXED32 = 5

cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end

cdef struct Field:
    uint32_t number
    uint32_t kind
    uint64_t scalar  # the bits of a VARINT, FIXED64 or FIXED32
    Cursor content  # of a LENGTH


cdef inline uint64_t read_varint(Cursor* cursor) except? 0xFFFFFFFFFFFFFFFF:
    cdef uint64_t value = 0
    cdef uint8_t byte
    cdef int shift = 0
    while cursor.at < cursor.end:
        byte = cursor.at[0]
        cursor.at += 1
        value |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            if shift == 63 and byte > 1:
                break  # more than 64 bits
            return value
        shift += 7
        if shift > 63:
            break
    raise Irregular


cdef inline bint next_field(Cursor* message, Field* field) except -1:
    """Read a field and step behind it; False at the end of the message."""
    cdef uint64_t tag, size
    if message.at == message.end:
        return False
    tag = read_varint(message)
    if tag < 8 or tag >> 32:
        raise Irregular
    field.number = <uint32_t>(tag >> 3)
    field.kind = <uint32_t>(tag & 7)
    if field.kind == LENGTH:
        size = read_varint(message)
        if size > <uint64_t>(message.end - message.at):
            raise Irregular
        field.content.at = message.at
        message.at += size
        field.content.end = message.at
    elif field.kind == VARINT:
        field.scalar = read_varint(message)
    elif field.kind == FIXED64 or field.kind == FIXED32:
        size = 8 if field.kind == FIXED64 else 4
        if size > <uint64_t>(message.end - message.at):
            raise Irregular
        field.scalar = 0
        memcpy(&field.scalar, message.at, size)  # little-endian, like every machine this is built for
        message.at += size
    else:
        raise Irregular  # a group, or no wire type at all
    return True


cdef inline int expect(Field* field, Kind kind) except -1:
    """The field has the wire type of its definition: everything else is for protobuf's own rules to judge."""
    if field.kind != <uint32_t>kind:
        raise Irregular
    return 0


# Values of fields.

ctypedef fused Unit:
    uint8_t
    uint16_t
    uint32_t


cdef object text(Cursor content):
    """A str from UTF-8. CPython guesses the width of the characters and starts again when it guessed wrong, which takes
    half of the time of a span with texts that are not English; here the width is known before the first is written."""
    cdef Py_ssize_t size = content.end - content.at
    cdef Py_ssize_t at, characters = 0
    cdef uint8_t highest = 0
    cdef object found
    for at in range(size):
        highest |= content.at[at]
    if highest < 0x80:
        found = PyUnicode_New(size, 127)
        memcpy(PyUnicode_DATA(found), content.at, size)
        return found
    highest = 0
    for at in range(size):
        highest = content.at[at] if content.at[at] > highest else highest
        characters += (content.at[at] & 0xC0) != 0x80
    if highest < 0xC4:
        found = PyUnicode_New(characters, 0xFF)
        transcode(content, <uint8_t*>PyUnicode_DATA(found))
    elif highest < 0xF0:
        found = PyUnicode_New(characters, 0xFFFF)
        transcode(content, <uint16_t*>PyUnicode_DATA(found))
    else:
        found = PyUnicode_New(characters, 0x10FFFF)
        transcode(content, <uint32_t*>PyUnicode_DATA(found))
    return found


cdef enum:
    OF_SPAN = 512
    OF_VALUE = 50  # rough bytes of memory: of any value with its key or its place
    OF_BRACKET = 210  # of a dict or a list that is read out of a JSON text, with its members' places


cdef Py_ssize_t beyond(object text, Cursor content) noexcept:
    """Rough bytes of memory that a text takes beyond those it was written in, with what is read out of it if it is
    JSON."""
    cdef Py_ssize_t written = content.end - content.at
    cdef Py_ssize_t held = PyUnicode_GET_LENGTH(text) * PyUnicode_KIND(text)
    cdef Py_ssize_t at, brackets = 0
    cdef Py_ssize_t more = held - written if held > written else 0
    if written < 2 or content.at[0] not in (b'{', b'[', b'"', b' ', b'\n'):
        return more
    for at in range(written):
        brackets += (content.at[at] | 0x20) == b'{'  # `[` too
    return more + held + OF_BRACKET * brackets


cdef int transcode(Cursor content, Unit* to) except -1:
    """Write the characters of UTF-8. One is written for each byte that leads one and no continuation leads, so `to`, made
    for as many as there are bytes which continue none, has room for all, right or wrong. What is no UTF-8 (RFC 3629: cut, overlong, a surrogate, beyond U+10FFFF) is irregular."""
    cdef const uint8_t* at = content.at
    cdef const uint8_t* end = content.end
    cdef uint32_t character, lead
    cdef uint32_t wrong = 0  # looked at once, at the end: texts are long and nearly always right
    while at < end:
        lead = at[0]
        if lead < 0x80:
            character = lead
            at += 1
        elif lead < 0xE0:
            if lead < 0xC2 or end - at < 2:
                raise Irregular
            character = (lead & 0x1F) << 6 | at[1] & 0x3F
            wrong |= (at[1] & 0xC0) ^ 0x80
            at += 2
        elif lead < 0xF0:
            if end - at < 3:
                raise Irregular
            character = (lead & 0x0F) << 12 | (at[1] & 0x3F) << 6 | at[2] & 0x3F
            wrong |= (at[1] & 0xC0) ^ 0x80 | (at[2] & 0xC0) ^ 0x80
            wrong |= <uint32_t>(character < 0x800) | <uint32_t>(character - 0xD800 < 0x800)
            at += 3
        else:
            if end - at < 4:
                raise Irregular
            character = (lead & 0x07) << 18 | (at[1] & 0x3F) << 12 | (at[2] & 0x3F) << 6 | at[3] & 0x3F
            wrong |= (at[1] & 0xC0) ^ 0x80 | (at[2] & 0xC0) ^ 0x80 | (at[3] & 0xC0) ^ 0x80
            wrong |= <uint32_t>(lead > 0xF4) | <uint32_t>(character - 0x10000 > 0xFFFFF)
            at += 4
        to[0] = <Unit>character
        to += 1
    if wrong:
        raise Irregular
    return 0


cdef inline object raw(Cursor content):
    return PyBytes_FromStringAndSize(<const char*>content.at, content.end - content.at)


cdef inline double as_double(uint64_t bits) noexcept:
    cdef double value
    memcpy(&value, &bits, sizeof(double))
    return value


cdef const char* HEX = b"0123456789abcdef"


cdef object hexadecimal(Cursor identifier):
    cdef object found = PyUnicode_New(2 * (identifier.end - identifier.at), 127)
    cdef uint8_t* to = <uint8_t*>PyUnicode_DATA(found)
    while identifier.at < identifier.end:
        to[0] = HEX[identifier.at[0] >> 4]
        to[1] = HEX[identifier.at[0] & 15]
        to += 2
        identifier.at += 1
    return found


cdef inline bint is_zero(Cursor content) noexcept:
    """Whether an id says that there is none: it is empty, or all zeros."""
    while content.at < content.end:
        if content.at[0]:
            return False
        content.at += 1
    return True


cdef inline object required_id(Cursor content, Py_ssize_t size):
    if content.end - content.at != size or is_zero(content):
        raise Irregular
    return hexadecimal(content)


cdef inline object optional_id(Cursor content, Py_ssize_t size, object none):
    if is_zero(content) and content.end - content.at in (0, size):
        return none
    if content.end - content.at != size:
        raise Irregular
    return hexadecimal(content)


cdef inline uint64_t nanoseconds(uint64_t time) except? 1:
    if 0 < time < 10_000_000_000_000_000:  # milliseconds or microseconds, perhaps
        raise Irregular
    return time


# Objects, made without running `__init__`, which alone takes as long as the rest of a small span.

@cython.final
cdef class Blueprint:
    """Makes objects like a template of a class with `__slots__`: empty lists and dicts of their own, all else shared."""

    cdef type kind
    cdef list defaults
    cdef Py_ssize_t[256] offsets

    def __cinit__(self, template):
        self.kind = type(template)
        self.defaults = []
        for kind in self.kind.__mro__:
            for name in kind.__dict__.get("__slots__", ()):
                value = getattr(template, name)
                if len(self.defaults) == 256:
                    raise TypeError(f"{self.kind.__name__} has more slots than are foreseen")
                self.offsets[len(self.defaults)] = offset_of(kind, name)
                self.defaults.append(value)

    cdef object make(self):
        cdef object made = object_new(self.kind, (), NULL)
        cdef Py_ssize_t at
        for at in range(len(self.defaults)):
            value = self.defaults[at]
            if type(value) is list:
                value = []
            elif type(value) is dict:
                value = {}
            put(made, self.offsets[at], value)
        return made


cdef Py_ssize_t offset_of(kind, str name) except -1:
    """Where the objects of a class keep a slot."""
    descriptor = kind.__dict__[name]
    if type(descriptor).__name__ != "member_descriptor":
        raise TypeError(f"{kind.__name__}.{name} is no slot")
    return (<PyMemberDescrObject*>descriptor).d_member.offset


cdef inline int put(object target, Py_ssize_t offset, object value) except -1:
    cdef PyObject** place = <PyObject**>(<char*><PyObject*>target + offset)
    cdef PyObject* before = place[0]
    Py_INCREF(value)
    place[0] = <PyObject*>value
    Py_XDECREF(before)
    return 0


# Attribute keys.

cdef enum Role:
    REST
    SLOT
    MEMBER  # of a group


@cython.final
cdef class Key:
    """An attribute key, and what the key table says of it."""

    cdef bytes raw
    cdef uint64_t hash
    cdef str text
    cdef Role role
    cdef Py_ssize_t place  # SLOT: which slot; MEMBER: which group
    cdef str name  # SLOT: its name; MEMBER: the name of the group's slot
    cdef int64_t rank  # SLOT
    cdef object absent  # SLOT: values that mean "not given", or None
    cdef str member  # MEMBER: the rest of the key


cdef enum:
    KEYS_REMEMBERED = 8192
    PLACES = 4 * KEYS_REMEMBERED  # mostly empty, so that a key is found at first sight
    PROBES = 16
    LONGEST_KEY = 256


@cython.final
cdef class Keys:
    """Remembers the keys that were seen, by their bytes: looking one up makes no object. Keys come from outside, so
    it forgets everything when it is full, and its hashes cannot be foreseen."""

    cdef object table
    cdef dict places
    cdef dict own
    cdef list found
    cdef Py_ssize_t count
    cdef uint64_t seed

    def __cinit__(self, table):
        self.table = table
        slots = {slot for slot, _ in table.keys.values()} | {slot for _, slot in table.prefixes}
        self.places = {slot: place for place, slot in enumerate(sorted(slots))}
        self.own = {key: key for key in table.keys}
        self.found = [None] * PLACES
        self.count = 0
        self.seed = int.from_bytes(os.urandom(8), "little")

    cdef Key of(self, Cursor content):
        cdef Py_ssize_t size = content.end - content.at
        cdef uint64_t hash = self.hash(content)
        cdef uint64_t place
        cdef int probe
        cdef Key key
        for probe in range(PROBES):
            place = (hash + probe) % PLACES
            found = self.found[place]
            if found is None:
                return self.learn(content, hash, place)
            key = <Key>found
            if key.hash == hash and PyBytes_GET_SIZE(key.raw) == size:
                if memcmp(PyBytes_AS_STRING(key.raw), content.at, size) == 0:
                    return key
        return self.describe(content, hash)

    cdef uint64_t hash(self, Cursor content) noexcept:
        cdef uint64_t hash = self.seed ^ <uint64_t>(content.end - content.at)
        cdef uint64_t word
        while content.end - content.at >= 8:
            memcpy(&word, content.at, 8)
            hash = (hash ^ word) * <uint64_t>0x9E3779B97F4A7C15
            hash ^= hash >> 29
            content.at += 8
        word = 0
        memcpy(&word, content.at, content.end - content.at)
        hash = (hash ^ word) * <uint64_t>0x9E3779B97F4A7C15
        return hash ^ hash >> 32

    cdef Key learn(self, Cursor content, uint64_t hash, uint64_t place):
        cdef Key key = self.describe(content, hash)
        if PyBytes_GET_SIZE(key.raw) <= LONGEST_KEY:
            if self.count == KEYS_REMEMBERED:
                self.found = [None] * PLACES
                self.count = 0
            self.found[place] = key
            self.count += 1
        return key

    cdef Key describe(self, Cursor content, uint64_t hash):
        cdef Key key = Key.__new__(Key)
        key.raw = raw(content)
        key.hash = hash
        key.text = text(content)
        key.role = REST
        slot = self.table.keys.get(key.text)
        if slot is not None:
            key.role = SLOT
            key.text = self.own[key.text]  # lives as long as the table
            key.name, key.rank = slot
            key.place = self.places[key.name]
            key.absent = self.table.absent.get(key.name)
            return key
        group = self.table.group_of(key.text)
        if group is not None:
            key.role = MEMBER
            key.name, key.member = group
            key.place = self.places[key.name]
        return key


cdef struct Held:
    uint64_t span  # number of the span whose value this is; of any other the slot is empty
    int64_t rank
    PyObject* key  # kept alive by `Keys.own`
    PyObject* value  # kept alive by the span


# Messages.

cdef Py_ssize_t SPAN_TRACE_ID = offset_of(Span, "trace_id")
cdef Py_ssize_t SPAN_SPAN_ID = offset_of(Span, "span_id")
cdef Py_ssize_t SPAN_PARENT_SPAN_ID = offset_of(Span, "parent_span_id")
cdef Py_ssize_t SPAN_TRACE_STATE = offset_of(Span, "trace_state")
cdef Py_ssize_t SPAN_NAME = offset_of(Span, "name")
cdef Py_ssize_t SPAN_KIND = offset_of(Span, "kind")
cdef Py_ssize_t SPAN_START = offset_of(Span, "start_ns")
cdef Py_ssize_t SPAN_END = offset_of(Span, "end_ns")
cdef Py_ssize_t SPAN_DROPPED = offset_of(Span, "dropped_attributes")
cdef Py_ssize_t SPAN_STATUS_CODE = offset_of(Span, "status_code")
cdef Py_ssize_t SPAN_STATUS_MESSAGE = offset_of(Span, "status_message")
cdef Py_ssize_t SPAN_RESOURCE = offset_of(Span, "resource")
cdef Py_ssize_t SPAN_SCOPE = offset_of(Span, "scope")
cdef Py_ssize_t SPAN_REST = offset_of(Span, "rest")
cdef Py_ssize_t SPAN_REPAIRS = offset_of(Span, "repairs")
cdef Py_ssize_t SPAN_SIZE = offset_of(Span, "size")

cdef Blueprint EVENT = Blueprint(Event(""))
cdef Py_ssize_t EVENT_NAME = offset_of(Event, "name")
cdef Py_ssize_t EVENT_TIME = offset_of(Event, "time_ns")
cdef Py_ssize_t EVENT_ATTRIBUTES = offset_of(Event, "attributes")

cdef uint64_t LAST_KIND = len(SPAN_KINDS) - 1
cdef uint64_t LAST_STATUS = STATUS_ERROR
cdef int DEEPEST = 100  # of what is decoded here, by the stack; the limits may allow less, or more


@cython.final
cdef class Tables:
    """What is made once for a key table."""

    cdef object table
    cdef Keys keys
    cdef Blueprint span
    cdef bint facts_in_dict  # not in slots: then they may be put there as they are

    def __cinit__(self, table):
        self.table = table
        self.keys = Keys(table)
        self.facts_in_dict = not any(hasattr(getattr(table.span_type, name, None), "__set__") for name in self.keys.places)
        self.span = Blueprint(table.span_type())


cdef dict TABLES = {}


cdef Tables tables_of(table):
    known = TABLES.get(id(table))
    if known is None:
        if len(TABLES) >= 16:
            TABLES.clear()
        known = TABLES[id(table)] = Tables(table)  # holds the table, so that its id stays its own
    return known


@cython.final
cdef class Decoder:
    """Decodes one request."""

    cdef Keys keys
    cdef Blueprint span_blueprint
    cdef object plain
    cdef object limits
    cdef list items
    cdef int max_depth
    cdef Py_ssize_t max_values
    cdef Py_ssize_t values  # of the item that is being read
    cdef Py_ssize_t size  # rough bytes of memory that it takes, without what each value takes
    cdef bint traces
    cdef bint facts_in_dict
    cdef Held* held
    cdef uint64_t span_number
    cdef dict rest  # both of the span that is being read
    cdef dict facts

    def __cinit__(self, signal, bytes body not None, table, limits):
        cdef Tables tables = tables_of(table)
        self.keys = tables.keys
        self.span_blueprint = tables.span
        self.facts_in_dict = tables.facts_in_dict
        self.plain = PlainDecoder(signal, body, table, limits)
        self.items = self.plain.items
        self.limits = limits
        self.max_depth = min(limits.max_depth, DEEPEST)
        self.max_values = limits.max_values
        self.traces = signal is Signal.TRACES
        self.span_number = 0
        self.held = <Held*>PyMem_Calloc(len(self.keys.places) + 1, sizeof(Held))
        if self.held is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.held)

    cdef object decode(self, bytes body):
        cdef Cursor whole, rest
        cdef Field field
        whole.at = <const uint8_t*>PyBytes_AS_STRING(body)
        whole.end = whole.at + PyBytes_GET_SIZE(body)
        rest = whole
        while next_field(&rest, &field):
            pass  # each level is checked whole before anything in it is decoded
        while next_field(&whole, &field):
            if field.number == 1 and field.kind == LENGTH:
                self.resource_group(field.content)
        return Decoded(self.items, self.plain.refusals.texts)

    cdef int resource_group(self, Cursor content) except -1:
        cdef Cursor shared
        cdef Cursor rest = content
        cdef Field field
        cdef int found = 0
        while next_field(&rest, &field):
            if field.number == 1 and field.kind == LENGTH:
                shared = field.content
                found += 1
        if found == 0:
            shared.at = shared.end = content.end
        elif found > 1:
            raise Irregular
        resource, repairs = None, []
        while next_field(&content, &field):
            if field.number == 2 and field.kind == LENGTH:
                resource = self.scope_group(field.content, resource, shared, repairs)
        return 0

    cdef object scope_group(self, Cursor content, object resource, Cursor of_resource, list repairs):
        """Decode the items of a scope; the group's resource, which is decoded for the first that has any."""
        cdef Cursor shared
        cdef Cursor rest = content
        cdef Field field
        cdef Py_ssize_t items = 0
        cdef int found = 0
        while next_field(&rest, &field):
            if field.kind != LENGTH:
                continue
            if field.number == 1:
                shared = field.content
                found += 1
            elif field.number == 2:
                items += 1
        if items == 0:
            return resource
        if found == 0:
            shared.at = shared.end = content.end
        elif found > 1:
            raise Irregular
        self.plain.seen += items
        if self.plain.seen > self.limits.max_items:
            raise PayloadTooLarge(f"the request holds more than {self.limits.max_items} items; send fewer")
        if resource is None:
            resource = self.resource(of_resource, repairs)
        scope_repairs = list(repairs)
        group = Group(resource, self.scope(shared, scope_repairs), scope_repairs)
        while next_field(&content, &field):
            if field.number == 2 and field.kind == LENGTH:
                self.item(field.content, group)
        return resource

    cdef int item(self, Cursor content, object group) except -1:
        self.values = 0
        self.size = content.end - content.at
        try:
            decoded = self.span(content, group) if self.traces else self.log_record(content, group)
        except Irregular:
            self.plain.item(raw(content), group)
        else:
            self.items.append(decoded)
        return 0

    # resource and scope

    cdef object resource(self, Cursor content, list repairs):
        cdef Cursor rest = content
        cdef Field field
        cdef dict attributes = {}
        self.values = 0
        try:
            while next_field(&rest, &field):
                if field.number == 1:
                    expect(&field, LENGTH)
                    self.attribute(field.content, attributes, 1)
                elif field.number == 3:  # entity_refs: text that must be checked, and that nobody reads
                    raise Irregular
        except Irregular:
            return self.plain.resource([raw(content)], repairs)
        return Resource(attributes)

    cdef object scope(self, Cursor content, list repairs):
        cdef Cursor rest = content
        cdef Field field
        cdef dict attributes = {}
        name = version = ""
        self.values = 0
        try:
            while next_field(&rest, &field):
                if field.number == 1:
                    expect(&field, LENGTH)
                    name = text(field.content)
                elif field.number == 2:
                    expect(&field, LENGTH)
                    version = text(field.content)
                elif field.number == 3:
                    expect(&field, LENGTH)
                    self.attribute(field.content, attributes, 1)
        except Irregular:
            return self.plain.scope([raw(content)], repairs)
        return Scope(name, version, attributes)

    # attributes

    cdef object any_value(self, Cursor content, int depth):
        cdef Field field
        cdef bint found = False
        cdef object value = None
        self.count_value()
        if depth > self.max_depth:
            raise Irregular
        while next_field(&content, &field):
            if field.number > 8:
                continue
            if found or field.number == 8:  # the last one wins, messages are merged; an index only profiles have
                raise Irregular
            found = True
            if field.number == 1:
                expect(&field, LENGTH)
                value = text(field.content)
                self.size += beyond(value, field.content)
            elif field.number == 2:
                expect(&field, VARINT)
                value = field.scalar != 0
            elif field.number == 3:
                expect(&field, VARINT)
                value = <int64_t>field.scalar
            elif field.number == 4:
                expect(&field, FIXED64)
                value = as_double(field.scalar)
            elif field.number == 5:
                expect(&field, LENGTH)
                value = self.array(field.content, depth)
            elif field.number == 6:
                expect(&field, LENGTH)
                value = self.mapping(field.content, depth)
            else:
                expect(&field, LENGTH)
                value = raw(field.content)
        return value

    cdef list array(self, Cursor content, int depth):
        cdef Field field
        cdef list values = []
        self.count_value()
        while next_field(&content, &field):
            if field.number == 1:
                expect(&field, LENGTH)
                values.append(self.any_value(field.content, depth + 1))
        return values

    cdef dict mapping(self, Cursor content, int depth):
        cdef Field field
        cdef dict values = {}
        self.count_value()
        while next_field(&content, &field):
            if field.number == 1:
                expect(&field, LENGTH)
                self.attribute(field.content, values, depth + 1)
        return values

    cdef int attribute(self, Cursor content, dict attributes, int depth) except -1:
        """Add a KeyValue to a dict; the last of several with one key wins."""
        cdef Key key
        cdef Cursor value
        key = self.pair(content, &value)
        attributes[key.text] = self.any_value(value, depth)
        return 0

    cdef Key pair(self, Cursor content, Cursor* value):
        """The key of a KeyValue, and where its value stands."""
        cdef Cursor key
        cdef Field field
        cdef bint found = False
        self.count_value()
        key.at = key.end = value.at = value.end = content.end
        while next_field(&content, &field):
            if field.number == 1:
                expect(&field, LENGTH)
                if key.at != key.end:
                    raise Irregular
                key = field.content
            elif field.number == 2:
                expect(&field, LENGTH)
                if found:
                    raise Irregular
                value[0] = field.content
                found = True
        return self.keys.of(key)

    cdef inline int count_value(self) except -1:
        self.values += 1
        if self.values > self.max_values:
            raise Irregular
        return 0

    # items

    cdef object span(self, Cursor content, object group):
        cdef Cursor trace_id, span_id, parent_span_id
        cdef Field field
        cdef uint64_t start = 0, end = 0
        cdef bint has_status = False
        cdef object span = self.span_blueprint.make()
        trace_id.at = trace_id.end = span_id.at = span_id.end = content.end
        parent_span_id.at = parent_span_id.end = content.end
        self.span_number += 1
        self.rest = {}
        put(span, SPAN_REST, self.rest)
        self.facts = None
        while next_field(&content, &field):
            if field.number == 9:
                expect(&field, LENGTH)
                self.fill(span, field.content)
            elif field.number == 1:
                expect(&field, LENGTH)
                trace_id = field.content
            elif field.number == 2:
                expect(&field, LENGTH)
                span_id = field.content
            elif field.number == 3:
                expect(&field, LENGTH)
                put(span, SPAN_TRACE_STATE, text(field.content))
            elif field.number == 4:
                expect(&field, LENGTH)
                parent_span_id = field.content
            elif field.number == 5:
                expect(&field, LENGTH)
                put(span, SPAN_NAME, text(field.content))
            elif field.number == 6:
                expect(&field, VARINT)
                if field.scalar > LAST_KIND:
                    raise Irregular
                put(span, SPAN_KIND, field.scalar)
            elif field.number == 7:
                expect(&field, FIXED64)
                start = field.scalar
            elif field.number == 8:
                expect(&field, FIXED64)
                end = field.scalar
            elif field.number == 10:
                expect(&field, VARINT)
                if field.scalar >> 32:
                    raise Irregular
                put(span, SPAN_DROPPED, field.scalar)
            elif field.number == 11:
                expect(&field, LENGTH)
                span.events.append(self.event(field.content))
            elif field.number == 13:
                expect(&field, LENGTH)
                span.links.append(self.link(field.content))
            elif field.number == 15:
                expect(&field, LENGTH)
                if has_status:
                    raise Irregular
                has_status = True
                self.status(span, field.content)
        put(span, SPAN_TRACE_ID, required_id(trace_id, 16))
        own_id = required_id(span_id, 8)
        put(span, SPAN_SPAN_ID, own_id)
        parent_id = optional_id(parent_span_id, 8, None)
        if parent_id != own_id:
            put(span, SPAN_PARENT_SPAN_ID, parent_id)
        put(span, SPAN_START, nanoseconds(start))
        put(span, SPAN_END, nanoseconds(end))
        put(span, SPAN_RESOURCE, group.resource)
        put(span, SPAN_SCOPE, group.scope)
        if group.repairs:
            put(span, SPAN_REPAIRS, list(group.repairs))
        put(span, SPAN_SIZE, OF_SPAN + self.size + OF_VALUE * self.values)
        return span

    cdef int fill(self, object span, Cursor content) except -1:
        """What `KeyTable.fill` does, for one attribute."""
        cdef Cursor where
        cdef Key key = self.pair(content, &where)
        cdef object value = self.any_value(where, 1)
        cdef Held* held
        if key.role == REST:
            self.rest[key.text] = value
            return 0
        held = &self.held[key.place]
        if key.role == MEMBER:
            if held.span != self.span_number:
                members = {}
                self.set_fact(span, key.name, members)
                held.span = self.span_number
                held.value = <PyObject*>members
            (<dict>held.value)[key.member] = value
            return 0
        if value is None:
            return 0
        # Not `in`, which asks the types whether they are equal.
        if (type(value) is str or type(value) is list or type(value) is dict) and not value:
            return 0
        if key.absent is not None and (value in <frozenset>key.absent if type(value) is str else is_absent(value, key.absent)):
            self.rest[key.text] = value
            return 0
        if held.span == self.span_number:
            other = <object>held.value
            if key.rank >= held.rank and <PyObject*>key.text != held.key:
                if other != value:
                    self.rest[key.text] = value
                return 0
            if <PyObject*>key.text != held.key and other != value:
                self.rest[<object>held.key] = other
        self.set_fact(span, key.name, value)
        held.span = self.span_number
        held.rank = key.rank
        held.key = <PyObject*>key.text
        held.value = <PyObject*>value
        return 0

    cdef inline int set_fact(self, object span, str name, object value) except -1:
        if not self.facts_in_dict:
            return PyObject_SetAttr(span, name, value)
        if self.facts is None:
            # A new one: the own one shares its keys with all spans, and is copied as soon as one differs.
            self.facts = {}
            PyObject_GenericSetDict(span, self.facts, NULL)
        self.facts[name] = value
        return 0

    cdef int status(self, object span, Cursor content) except -1:
        cdef Field field
        self.count_value()
        while next_field(&content, &field):
            if field.number == 2:
                expect(&field, LENGTH)
                put(span, SPAN_STATUS_MESSAGE, text(field.content))
            elif field.number == 3:
                expect(&field, VARINT)
                if field.scalar > LAST_STATUS:
                    raise Irregular
                put(span, SPAN_STATUS_CODE, field.scalar)
        return 0

    cdef object event(self, Cursor content):
        cdef Field field
        cdef dict attributes = {}
        cdef uint64_t time = 0
        name = ""
        self.count_value()
        while next_field(&content, &field):
            if field.number == 1:
                expect(&field, FIXED64)
                time = field.scalar
            elif field.number == 2:
                expect(&field, LENGTH)
                name = text(field.content)
            elif field.number == 3:
                expect(&field, LENGTH)
                self.attribute(field.content, attributes, 1)
        cdef object event = EVENT.make()
        put(event, EVENT_NAME, name)
        put(event, EVENT_TIME, nanoseconds(time))
        put(event, EVENT_ATTRIBUTES, attributes)
        return event

    cdef object link(self, Cursor content):
        cdef Cursor trace_id, span_id
        cdef Field field
        cdef dict attributes = {}
        self.count_value()
        trace_id.at = trace_id.end = span_id.at = span_id.end = content.end
        while next_field(&content, &field):
            if field.number == 1:
                expect(&field, LENGTH)
                trace_id = field.content
            elif field.number == 2:
                expect(&field, LENGTH)
                span_id = field.content
            elif field.number == 3:
                expect(&field, LENGTH)
                text(field.content)  # trace_state is not kept, but what is no text is noted
            elif field.number == 4:
                expect(&field, LENGTH)
                self.attribute(field.content, attributes, 1)
        if trace_id.end - trace_id.at != 16 or span_id.end - span_id.at != 8:
            raise Irregular
        return Link(hexadecimal(trace_id), hexadecimal(span_id), attributes)

    cdef object log_record(self, Cursor content, object group):
        cdef Cursor trace_id, span_id
        cdef Field field
        cdef uint64_t time = 0, observed = 0
        cdef bint has_body = False
        cdef dict attributes = {}
        record = LogRecord()
        trace_id.at = trace_id.end = span_id.at = span_id.end = content.end
        while next_field(&content, &field):
            if field.number == 1:
                expect(&field, FIXED64)
                time = field.scalar
            elif field.number == 2:
                expect(&field, VARINT)
                if field.scalar >> 31:
                    raise Irregular
                record.severity_number = field.scalar
            elif field.number == 3:
                expect(&field, LENGTH)
                record.severity_text = text(field.content)
            elif field.number == 5:
                expect(&field, LENGTH)
                if has_body:
                    raise Irregular
                has_body = True
                record.body = self.any_value(field.content, 1)
            elif field.number == 6:
                expect(&field, LENGTH)
                self.attribute(field.content, attributes, 1)
            elif field.number == 9:
                expect(&field, LENGTH)
                trace_id = field.content
            elif field.number == 10:
                expect(&field, LENGTH)
                span_id = field.content
            elif field.number == 11:
                expect(&field, FIXED64)
                observed = field.scalar
            elif field.number == 12:
                expect(&field, LENGTH)
                record.event_name = text(field.content)
        if not time and not observed:
            raise Irregular
        record.trace_id = optional_id(trace_id, 16, "")
        record.span_id = optional_id(span_id, 8, "")
        record.time_ns = nanoseconds(time)
        record.observed_ns = nanoseconds(observed)
        record.attributes = attributes
        record.resource = group.resource
        record.scope = group.scope
        record.repairs = list(group.repairs)
        return record


def decode_protobuf(signal, bytes body not None, table, limits):
    cdef Decoder decoder
    if signal is not Signal.METRICS:
        try:
            decoder = Decoder(signal, body, table, limits)
            return decoder.decode(body)
        except Irregular:  # outside of all items
            pass
    return PlainDecoder(signal, body, table, limits).decode()
