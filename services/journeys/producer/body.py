"""Avro's binary encoding, by an encoder that is generated from each of our schemas at start.

A general writer asks of each value which branch of a union it may be, and walks the schema along with it. Our unions
are all "null or one type", so there is nothing to ask, and `source` has walked the schema before: what is left is
five to seven times as fast as fastavro's `schemaless_writer` (benchmarks/encoding.py). Only what our schemas use is
known here. fastavro stays the reference: property tests hold bytes and refusals equal to its own, for each of our
schemas and for random ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from journeys.producer.refusal import completed
from journeys.producer.source import Source

INEXACT: Final = (AttributeError, KeyError, OverflowError, TypeError, UnicodeEncodeError)
"""What a generated encoder raises for a datum that is not exactly of its schema."""


class Body:
    """Encodes the data of one record. `schema` is self-contained; raises ValueError for a type not known here."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._source = Source(schema)

    @cached_property
    def _write(self) -> Callable[[Any], str]:
        # When it is first called for: a worker whose events all fit as they are never needs those of the channels.
        return self._source.compiled()

    def __call__(self, datum: Mapping[str, Any]) -> bytes:
        """The Avro body of a datum. Absent fields take their default, else null; unknown ones are left out.

        Raises Unfit, which names the field, where a value does not fit.
        """
        try:
            return self._write(datum).encode("latin-1")
        except INEXACT:
            return self._write(completed(self._schema, datum)).encode("latin-1")
