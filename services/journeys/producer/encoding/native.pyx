# cython: language_level=3, nonecheck=True, wraparound=False, freethreading_compatible=True
"""The fast encoder. Coercion and fastavro define what it writes; this module writes the same bytes in less time.

An encoder is strict: for a value that is not exactly of its schema it raises one of `validate.INEXACT`, and the caller
takes the slow way. Property tests hold bytes and refusals equal to those of the slow way. An installation without a C
compiler lacks this module (`hatch_build.py`) and always takes the slow way.

Nothing is kept from one call to the next, so any thread may call at any time, with events of its own.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_Size
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact
from libc.string cimport memcpy, memmove

from datetime import UTC
from decimal import Decimal

from journeys.headers import RecordHeader
from journeys.model import Record
from journeys.number import Number, scaled, twos_complement, unscaled
from journeys.producer.channels import LONGEST
from journeys.producer.encoding.coerce import ON_SITE
from journeys.producer.encoding.fields import GIVEN, Written
from journeys.producer.encoding.text import moment, raw_json, token
from journeys.producer.encoding.validate import INEXACT

cdef extern from "Python.h":
    # A borrowed reference: the dict must not change while its values are written.
    PyObject *PyDict_GetItemWithError(dict, object) except? NULL
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    const void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    int PyUnicode_IS_ASCII(object)
    int Py_EnterRecursiveCall(const char *) except *  # "non-zero", its documentation says of a failure
    void Py_LeaveRecursiveCall()


cdef struct _Place:
    # The place of a value in an event: a field of an object, or an index of an array.
    const _Place *outer
    PyObject *name
    Py_ssize_t number


cdef str _pointer(const _Place *place):
    """The JSON Pointer of a value; fields are named in schemas, so nothing is to be escaped."""
    if place is NULL:
        return ""
    name = place.number if place.name is NULL else <object>place.name
    return f"{_pointer(place.outer)}/{name}"


@cython.final
cdef class _Out:
    """Bytes of one value, in memory that grows."""

    cdef char *start
    cdef Py_ssize_t size, room
    cdef list extra  # of an event: JSON Pointer and raw JSON of what has no place in the record; None for a datum
    cdef bint has_content  # whether any text written is not empty, or any number not 0

    def __cinit__(self):
        self.room = 1 << 11
        self.start = <char *>PyMem_Malloc(self.room)
        if self.start is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.start)

    cdef char *more(self, Py_ssize_t size) except NULL:
        """Make room for `size` bytes more. Returns their place; the caller raises `self.size` by what it writes."""
        cdef Py_ssize_t room = self.room
        cdef char *start
        if size > room - self.size:
            while size > room - self.size:
                room *= 2
            start = <char *>PyMem_Realloc(self.start, room)
            if start is NULL:
                raise MemoryError
            self.start, self.room = start, room
        return self.start + self.size

    cdef int byte(self, char byte) except -1:
        self.more(1)[0] = byte
        self.size += 1
        return 0

    cdef int piece(self, bytes piece) except -1:
        return self.bytes(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))

    cdef int bytes(self, const char *start, Py_ssize_t size) except -1:
        memcpy(self.more(size), start, size)
        self.size += size
        return 0

    cdef int long(self, long long number) except -1:
        """Zigzag, then seven bits a byte."""
        cdef unsigned long long rest = (<unsigned long long>number << 1) ^ <unsigned long long>(number >> 63)
        cdef char *start = self.more(10)
        cdef Py_ssize_t size = 0
        while rest > 0x7F:
            start[size] = <char>(rest & 0x7F | 0x80)
            rest >>= 7
            size += 1
        start[size] = <char>rest
        self.size += size + 1
        return 0

    cdef int string(self, object text) except -1:
        cdef Py_ssize_t size = 0
        if not PyUnicode_CheckExact(text):  # a Number is a str, too
            raise TypeError
        cdef const char *start = PyUnicode_AsUTF8AndSize(text, &size)
        self.has_content |= size > 0
        self.long(size)
        return self.bytes(start, size)

    cdef int twos_complement(self, long long number) except -1:
        """A decimal's unscaled value: the size, then the fewest bytes that hold it, big-endian."""
        cdef Py_ssize_t size = 1, place
        while size < 8 and not (-1 << 8 * size - 1) <= number < (<long long>1 << 8 * size - 1):
            size += 1
        cdef char *start = self.more(1 + size)
        start[0] = <char>(2 * size)
        for place in range(size):
            start[1 + place] = <char>(number >> 8 * (size - 1 - place) & 0xFF)
        self.size += 1 + size
        self.has_content |= number != 0
        return 0

    cdef int large_twos_complement(self, number) except -1:
        """The same for an int of any size."""
        cdef bytes written = twos_complement(number)
        self.long(PyBytes_GET_SIZE(written))
        self.has_content |= number != 0
        return self.piece(written)

    cdef int unknown(self, dict value, frozenset known, const _Place *place, Py_ssize_t at) except -1:
        """Note the fields of an object that are not known, before what was noted since `at`: it is inside of them."""
        if self.extra is None:
            raise KeyError
        pointer = _pointer(place)
        self.extra[at:at] = [
            (f"{pointer}/{token(name)}", raw_json(item)) for name, item in value.items() if name not in known
        ]
        return 0

    cdef bytes taken(self):
        return PyBytes_FromStringAndSize(self.start, self.size)


cdef enum _AvroType:
    STRING, LONG, BOOLEAN, DECIMAL, RECORD, ARRAY, MAP, NULLABLE

cdef dict _SCALARS = {"string": STRING, "long": LONG, "boolean": BOOLEAN}
cdef object _REQUIRED = object()


@cython.final
cdef class _Type:
    """An Avro type: how its values are written."""

    cdef _AvroType avro_type
    cdef _Type inner  # of an array's items, of a map's values, of what may be null
    cdef tuple names, types, defaults  # of a record's fields
    cdef frozenset known
    cdef int precision, scale  # of a decimal
    cdef object unit, limit  # of a decimal: 10**scale, and the least integer that has too many digits
    cdef long long small_unit, small_limit  # the same for integers whose unscaled value has 64 bits

    cdef int write(self, object value, _Out out, const _Place *place) except -1:
        cdef long long number
        if self.avro_type == NULLABLE:
            if value is None:
                return out.byte(0)
            if self.inner.avro_type == RECORD and out.extra is not None and PyList_CheckExact(value) and not value:
                return out.byte(0)  # PHP writes an empty object so
            out.byte(2)
            return self.inner.write(value, out, place)
        if self.avro_type == STRING:
            return out.string(value)
        if self.avro_type == LONG:
            if not PyLong_CheckExact(value):
                raise TypeError
            number = value  # raises OverflowError beyond 64 bits
            out.has_content |= number != 0
            return out.long(number)
        if self.avro_type == DECIMAL:
            return self.decimal(value, out, place)
        if self.avro_type == RECORD:
            return self.record(value, out, place)
        if self.avro_type == ARRAY:
            return self.array(value, out, place)
        if self.avro_type == MAP:
            return self.map(value, out, place)
        if value is not True and value is not False:
            raise TypeError
        return out.byte(value is True)

    cdef int record(self, object value, _Out out, const _Place *place) except -1:
        cdef Py_ssize_t number, found = 0, noted = 0 if out.extra is None else len(out.extra)
        cdef PyObject *item
        cdef _Place inside = _Place(place, NULL, 0)
        if not PyDict_CheckExact(value):
            raise TypeError
        Py_EnterRecursiveCall(" while an event is encoded")
        try:
            for number in range(len(self.names)):
                inside.name = <PyObject *>self.names[number]
                item = PyDict_GetItemWithError(value, <object>inside.name)
                if item is not NULL:
                    found += 1
                    (<_Type>self.types[number]).write(<object>item, out, &inside)
                elif self.defaults[number] is _REQUIRED:
                    raise KeyError
                else:
                    (<_Type>self.types[number]).write(self.defaults[number], out, &inside)
        finally:
            Py_LeaveRecursiveCall()
        if found != PyDict_Size(value):
            out.unknown(value, self.known, place, noted)
        return 0

    cdef int decimal(self, object value, _Out out, const _Place *place) except -1:
        """A decimal: a Decimal or bytes in a datum, a number or text in an event."""
        cdef long long small
        cdef bint is_exact
        if out.extra is None:
            if PyBytes_CheckExact(value):
                out.long(PyBytes_GET_SIZE(value))
                return out.piece(value)
            if type(value) is not Decimal:
                raise TypeError
            small = _small_decimal(str(value), self.precision, self.scale) if value else 0
            if small != _OTHER_DECIMAL:
                return out.twos_complement(small)
            number = unscaled(value, self.scale, self.precision)
            if number is None:
                raise TypeError
            return out.large_twos_complement(number)
        if PyLong_CheckExact(value):
            return self.integer(value, out)
        if not PyUnicode_CheckExact(value) and type(value) is not Number:
            raise TypeError
        small = _small_decimal(value, self.precision, self.scale)
        if small != _OTHER_DECIMAL:
            return out.twos_complement(small)
        result = scaled(str(value), self.scale, self.precision)
        if result is None:
            raise OverflowError
        number, is_exact = result
        if not is_exact:
            if type(value) is not Number:
                raise TypeError
            out.extra.append((_pointer(place), str(value)))
        return out.large_twos_complement(number)

    cdef int integer(self, object value, _Out out) except -1:
        """A decimal from an int."""
        cdef int overflow = 0
        cdef long long small = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and -self.small_limit < small < self.small_limit:
            return out.twos_complement(small * self.small_unit)
        if not -self.limit < value < self.limit:
            raise OverflowError
        return out.large_twos_complement(value * self.unit)

    cdef int array(self, object value, _Out out, const _Place *place) except -1:
        cdef _Place inside = _Place(place, NULL, 0)
        if out.extra is not None and PyDict_CheckExact(value) and not value:
            return out.byte(0)  # PHP writes an empty array so
        if not PyList_CheckExact(value):
            raise TypeError
        if len(<list>value):
            out.long(len(<list>value))
            for item in <list>value:
                self.inner.write(item, out, &inside)
                inside.number += 1
        return out.byte(0)

    cdef int map(self, object value, _Out out, const _Place *place) except -1:
        if not PyDict_CheckExact(value):
            raise TypeError
        if len(<dict>value):
            out.long(len(<dict>value))
            for key, item in (<dict>value).items():
                out.string(key)
                self.inner.write(item, out, place)
        return out.byte(0)


cdef _Type _type_of(object schema, dict named):
    """The writer of a type. `named` holds the records met before. Raises ValueError for a type not known here."""
    cdef _Type made = _Type.__new__(_Type)
    if isinstance(schema, list):
        if len(schema) != 2 or schema[0] != "null" or isinstance(schema[1], list):
            raise ValueError(f"no encoder for a union of {len(schema)} types: only null and another, in this order")
        made.avro_type, made.inner = NULLABLE, _type_of(schema[1], named)
        return made
    name = schema["type"] if isinstance(schema, dict) else schema
    if name == "bytes" and isinstance(schema, dict) and schema.get("logicalType") == "decimal":
        precision, scale = schema["precision"], schema["scale"]
        made.avro_type, made.precision, made.scale = DECIMAL, precision, scale
        made.unit, made.limit = 10**scale, 10 ** (precision - scale)
        made.small_unit, made.small_limit = min(made.unit, 2**62), min(made.limit, 2**62 // made.unit)
    elif name == "record":
        made.avro_type = RECORD
        named[f"{schema['namespace']}.{schema['name']}"] = made
        fields = schema["fields"]
        made.names = tuple([field["name"] for field in fields])
        made.known = frozenset(made.names)
        made.types = tuple([_type_of(field["type"], named) for field in fields])
        made.defaults = tuple(
            [field.get("default", None if isinstance(field["type"], list) else _REQUIRED) for field in fields]
        )
    elif name == "array" or name == "map":
        made.avro_type = ARRAY if name == "array" else MAP
        made.inner = _type_of(schema["items" if name == "array" else "values"], named)
    elif name in _SCALARS:
        made.avro_type = _SCALARS[name]
    elif name in named:
        return named[name]
    else:
        raise ValueError(f"no encoder for the Avro type {name!r}")
    return made


@cython.final
cdef class Datum:
    """Encodes the data of one record type."""

    cdef _Type type

    def __init__(self, schema):
        self.type = _type_of(schema, {})

    def write(self, datum):
        """The Avro body of a datum. Raises one of `INEXACT` where it is not exactly of the schema."""
        cdef _Out out = _Out.__new__(_Out)
        self.type.write(datum, out, NULL)
        return out.taken()


cdef bytes _written(object value, _Type type):
    """The bytes of a value."""
    cdef _Out out = _Out.__new__(_Out)
    type.write(value, out, NULL)
    return out.taken()


cdef enum _What:
    FOREIGN, TAKEN, COPIED, TIME, POSITION, GIVEN_FIELD, ACTIONS, MISFITS, EXTRA

cdef dict _WHAT = {
    "foreign": FOREIGN,
    "taken": TAKEN,
    "copied": COPIED,
    "time": TIME,
    "position": POSITION,
    "given": GIVEN_FIELD,
    "actions": ACTIONS,
    "misfits": MISFITS,
    "extra": EXTRA,
}


@cython.final
cdef class _Step:
    """As `fields.Step`."""

    cdef _What what
    cdef str name
    cdef _Type type
    cdef Py_ssize_t number


@cython.final
cdef class _Channel:
    """Writes the events of one `EventRecordType`."""

    cdef str topic
    cdef tuple schema_header
    cdef bytes header
    cdef tuple steps
    cdef list actions  # the bytes of that field for each set of on-site objects, the first object is the lowest bit
    cdef frozenset known
    cdef dict given  # the types of the GIVEN fields
    cdef _Type extra
    cdef object zone
    cdef bint is_utc

    def __init__(self, record_type):
        cdef _Step step
        made, known, named, self.given = [], [], {}, {}
        for what, name, schema, number in record_type.steps:
            step = _Step.__new__(_Step)
            step.what, step.name, step.number = _WHAT[what], name, number
            if schema is not None:
                step.type = _type_of(schema, named)
            if step.what == EXTRA:
                self.extra = step.type
            if step.what == GIVEN_FIELD:
                self.given[name] = step.type
            if step.what == ACTIONS:
                self.actions = [
                    _written([each for bit, each in enumerate(ON_SITE) if done >> bit & 1], step.type)
                    for done in range(1 << len(ON_SITE))
                ]
            if step.what in (FOREIGN, TAKEN, TIME):
                known.append(name)
            made.append(step)
        self.topic, self.schema_header, self.header = record_type.topic, record_type.schema_header, record_type.header
        self.steps, self.known = tuple(made), frozenset(known)
        self.zone, self.is_utc = record_type.zone, record_type.zone is UTC

    cdef bytes value(self, dict event, Py_ssize_t position, list given, list times):
        """The value of an event; its time, where it names one, is added to `times`. Raises one of `INEXACT`."""
        cdef _Out out = _Out.__new__(_Out)
        cdef _Step step
        cdef _Place place = _Place(NULL, NULL, 0)
        cdef PyObject *item
        cdef Py_ssize_t found = 0, done = 0, gap = 0, foreign = 0
        cdef object at = None, value
        out.extra = []
        out.piece(self.header)
        for step in self.steps:
            if step.what == POSITION:
                out.long(position)
            elif step.what == GIVEN_FIELD:
                out.piece(given[step.number])
            elif step.what == ACTIONS:
                out.piece(self.actions[done])
            elif step.what == MISFITS:
                out.byte(0)
            elif step.what == EXTRA:
                gap = out.size
                out.byte(0)
            else:
                item = PyDict_GetItemWithError(event, step.name)
                value = None if item is NULL else <object>item
                found += item is not NULL and step.what != COPIED
                if step.what == FOREIGN:
                    if value is not None and value != [] and value != {}:
                        out.extra.append((f"/{step.name}", raw_json(value)))
                        foreign += 1
                    continue
                if step.what == TIME:
                    at = value = self.time(value)
                place.name = <PyObject *>step.name
                out.has_content = False
                step.type.write(value, out, &place)
                if out.has_content:
                    done |= step.number
        if found != PyDict_Size(event):
            out.unknown(event, self.known, NULL, foreign)
        if out.extra:
            self.insert(dict(out.extra), gap, out)
        if at is not None:
            times.append(at)
        return out.taken()

    cdef object time(self, object text):
        """The time that a text names, in milliseconds."""
        cdef long long at
        if text is None:
            return None
        if not PyUnicode_CheckExact(text):
            raise TypeError
        if self.is_utc and PyUnicode_IS_ASCII(text):
            at = _milliseconds(<const char *>PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
            if at != _OTHER_FORM:
                return at
        found = moment(text, self.zone)
        if found is None:
            raise TypeError
        return found

    cdef int insert(self, dict extra, Py_ssize_t gap, _Out out) except -1:
        """Put what is unknown where `extra` was written as empty, which is the byte that it ends in."""
        cdef _Out more = _Out.__new__(_Out)
        self.extra.write(extra, more, NULL)
        out.more(more.size)
        memmove(out.start + gap + more.size - 1, out.start + gap, out.size - gap)
        memcpy(out.start + gap, more.start, more.size - 1)
        out.size += more.size - 1
        return 0


cdef enum:
    _OTHER_FORM = -1

cdef long long _OTHER_DECIMAL = -(1 << 63)


cdef long long _small_decimal(object value, int precision, int scale):
    """The unscaled value of a number in text, if it has few digits; `_OTHER_DECIMAL` for any other text."""
    cdef unsigned long long number = 0
    cdef Py_ssize_t size, place = 0, whole, decimals = 0
    cdef const char *text
    cdef bint is_negative
    if not PyUnicode_IS_ASCII(value):
        return _OTHER_DECIMAL
    text, size = <const char *>PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value)
    is_negative = size > 0 and text[0] == c"-"
    place = whole = is_negative
    while place < size and c"0" <= text[place] <= c"9" and place < 19:
        number = 10 * number + text[place] - c"0"
        place += 1
    whole = place - whole
    if place < size and text[place] == c"." and whole > 0:
        place += 1
        while place < size and c"0" <= text[place] <= c"9" and decimals <= scale:
            number = 10 * number + text[place] - c"0"
            place += 1
            decimals += 1
        if decimals == 0:
            return _OTHER_DECIMAL
    if place < size or whole == 0 or decimals > scale or whole + scale > min(18, precision):
        return _OTHER_DECIMAL
    while decimals < scale:
        number *= 10
        decimals += 1
    return -<long long>number if is_negative else <long long>number

cdef int[13] _BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365]  # days of a year before a month


cdef long long _milliseconds(const char *text, Py_ssize_t size) noexcept nogil:
    """What `YYYY-MM-DD HH:MM:SS` or `YYYYMMDD HH:MM:SS` names in UTC, since 1970; `_OTHER_FORM` for anything else."""
    cdef int dash = size == 19
    cdef int year, month, day, hour, minute, second, days
    cdef bint leap
    if size != 17 and size != 19 or dash and (text[4] != c"-" or text[7] != c"-"):
        return _OTHER_FORM
    if text[size - 9] != c" " or text[size - 6] != c":" or text[size - 3] != c":":
        return _OTHER_FORM
    year = 100 * _two(text) + _two(text + 2)
    month, day = _two(text + 4 + dash), _two(text + 6 + 2 * dash)
    hour, minute, second = _two(text + size - 8), _two(text + size - 5), _two(text + size - 2)
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day and hour < 24 and minute < 60 and second < 60):
        return _OTHER_FORM
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _BEFORE[month] - _BEFORE[month - 1] + (month == 2 and leap):
        return _OTHER_FORM
    days = 365 * (year - 1970) + (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    days += _BEFORE[month - 1] + (month > 2 and leap) + day - 1
    return 1000 * (86_400 * <long long>days + 3600 * hour + 60 * minute + second)


cdef int _two(const char *text) noexcept nogil:
    """The number of two digits; of anything else, one that is too large for all that is asked for."""
    if c"0" <= text[0] <= c"9" and c"0" <= text[1] <= c"9":
        return 10 * (text[0] - c"0") + text[1] - c"0"
    return 10_000


@cython.final
cdef class EventEncoder:
    """Encodes the events of a journey that fit their schemas as they are.

    `record_types` are all that `type_of` may return for the `event_type` of an event; it gets None for an `event_type`
    that no channel can have.
    """

    cdef object type_of
    cdef dict channels
    cdef _Channel any

    def __init__(self, record_types, type_of):
        self.channels = {record_type: _Channel(record_type) for record_type in record_types}
        self.any = next(iter(self.channels.values()))
        self.type_of = type_of

    def write(self, tuple items not None, common):
        """The records of a journey's items."""
        cdef list records = [], times = [], conversions = []
        cdef bytes key = common.key
        cdef list identity = common.identity
        cdef list given = [_written(common.fields[name], self.any.given[name]) for name in GIVEN]
        cdef object order_id = common.fields["order_id"]
        cdef Py_ssize_t position, timed
        cdef _Channel channel
        for position in range(len(items)):
            item = items[position]
            records.append(None)
            if not PyDict_CheckExact(item):
                continue
            event_type = _text(<dict>item, "event_type")
            spelling = event_type if event_type is not None and len(event_type) <= _LONGEST else None
            channel = self.channels[self.type_of(spelling)]
            timed = len(times)
            try:
                value = channel.value(<dict>item, position, given, times)
            except INEXACT:
                continue
            checkout = (<dict>item).get("checkout_completed")
            if PyDict_CheckExact(checkout) and (<dict>checkout).get("other_order_id") == order_id:
                conversions.append((times[timed] if len(times) > timed else None, position))
            headers = []
            if (event_id := _text(<dict>item, "event_id")) is not None:
                headers.append((_EVENT_ID, event_id.encode()))
            if event_type is not None:
                headers.append((_EVENT_TYPE, event_type.encode()))
            headers += identity
            headers.append(_POSITIONS[position] if position < len(_POSITIONS) else _position(position))
            headers.append(channel.schema_header)
            records[position] = Record(topic=channel.topic, key=key, value=value, headers=headers)
        return Written(records=records, times=times, conversions=conversions)


cdef str _text(dict event, str name):
    """A field of an event; None where it is no text."""
    value = event.get(name)
    return value if PyUnicode_CheckExact(value) else None


cdef tuple _position(Py_ssize_t position):
    return _POSITION, b"%d" % position


cdef Py_ssize_t _LONGEST = LONGEST
cdef str _EVENT_ID = RecordHeader.EVENT_ID.value
cdef str _EVENT_TYPE = RecordHeader.EVENT_TYPE.value
cdef str _POSITION = RecordHeader.POSITION.value
cdef list _POSITIONS = [_position(position) for position in range(1024)]
