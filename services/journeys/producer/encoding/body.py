"""Avro's binary encoding, by an encoder that is made for each of our schemas at start.

A general writer asks of each value which branch of a union it may be. Our unions are all "null or one type", so there
is nothing to ask: the function that `source` generates is five to seven times as fast as fastavro's
`schemaless_writer`, `native` in C 17 to 23 times (benchmarks/encoding.py). Only what our schemas use is known here.
fastavro stays the reference, and without C encodes what has a long text in it: property tests hold bytes and refusals
equal to its own, for each of our schemas and for random ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from journeys.avro.schema import Schema
from journeys.producer.encoding import extension
from journeys.producer.encoding.source import Datum
from journeys.producer.encoding.validate import completed

INEXACT: Final = (AttributeError, IndexError, KeyError, OverflowError, TypeError, UnicodeEncodeError)
"""What an encoder raises for a datum that is not exactly of its schema, and in Python for a long text."""


class Body:
    """Encodes the data of one record. `schema` is self-contained; raises ValueError for a type not known here.

    `native`: in C, where the installation has it.
    """

    def __init__(self, schema: Mapping[str, Any], *, native: bool = True) -> None:
        self._schema = schema
        made = extension.native.Datum if native and extension.native is not None else Datum
        self._source = made(schema)

    def __call__(self, datum: Mapping[str, Any]) -> bytes:
        """The Avro body of a datum. Absent fields take their default, else null; unknown ones are left out.

        Raises Unfit, which names the field, where a value does not fit.
        """
        try:
            body: bytes = self._source.write(datum)
        except INEXACT:
            body = self._exact(completed(self._schema, datum))
        return body

    def _exact(self, datum: Mapping[str, Any]) -> bytes:
        try:
            body: bytes = self._source.write(datum)
        except IndexError:
            body = self._reference.encode(datum)
        return body

    @cached_property
    def _reference(self) -> Schema:
        return Schema(self._schema)
