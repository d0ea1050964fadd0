"""The Avro body of a datum, from either of two encoders that give the same bytes.

fastavro's `schemaless_writer` asks of each value which branch of a union it may be. Our unions are all "null or one
type", so the encoder in C has nothing to ask and is over 15 times as fast (benchmarks/encoding.py). It knows only the
types that our schemas use. fastavro is the reference, and encodes where the package was installed without C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from journeys.avro.schema import Schema
from journeys.producer.encoding import extension
from journeys.producer.encoding.validate import INEXACT, Normalizer

Encode: TypeAlias = Callable[[Mapping[str, Any]], bytes]
"""Gives the Avro body of a datum.

An absent field takes its default, else null; an unknown field is left out. Raises SchemaMismatch, which names the
field, where a value does not fit.
"""


def by_fastavro(definition: Mapping[str, Any]) -> Encode:
    """The reference encoder of a self-contained schema."""
    schema, normalize = Schema(definition), Normalizer(definition)
    return lambda datum: schema.encode(normalize(datum))


def in_c(definition: Mapping[str, Any]) -> Encode:
    """The fast encoder of a self-contained schema. Raises ValueError for an Avro type that it does not know."""
    write, normalize = extension.native.Datum(definition).write, Normalizer(definition)

    def encode(datum: Mapping[str, Any]) -> bytes:
        try:
            return write(datum)
        except INEXACT:
            return write(normalize(datum))

    return encode
