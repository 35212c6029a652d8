"""Notifications of Amazon S3 buckets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

import attrs

from .shape import (
    Record,
    an_object,
    array_of,
    field,
    iso_8601,
    map_of,
    optional,
    text,
    whole,
    with_default,
)

__all__ = ["S3Bucket", "S3Entity", "S3Event", "S3Identity", "S3Object", "S3Record"]


def _key(value: Any) -> str:
    return unquote_plus(text(value))


@attrs.frozen(kw_only=True)
class S3Identity(Record):
    """Who did it, or whose it is."""

    principal_id: str = field("principalId", text)


@attrs.frozen(kw_only=True)
class S3Bucket(Record):
    """Where it happened."""

    name: str = field("name", text)
    arn: str = field("arn", text)
    owner_identity: S3Identity | None = optional("ownerIdentity", S3Identity.from_json)


@attrs.frozen(kw_only=True)
class S3Object(Record):
    """To what it happened. Size and tag are those of objects that are there.

    :ivar key: as it is called in the bucket; on the wire, and in ``raw``, it is URL-encoded.
    """

    key: str = field("key", _key)
    size: int | None = optional("size", whole)
    e_tag: str | None = optional("eTag", text)
    version_id: str | None = optional("versionId", text)
    sequencer: str | None = optional("sequencer", text)


@attrs.frozen(kw_only=True)
class S3Entity(Record):
    """The bucket, the object, and the configuration that asked for the notification."""

    s3_schema_version: str = field("s3SchemaVersion", text)
    configuration_id: str = field("configurationId", text)
    bucket: S3Bucket = field("bucket", S3Bucket.from_json)
    object: S3Object = field("object", S3Object.from_json)


@attrs.frozen(kw_only=True)
class S3Record(Record):
    """What happened: ``event_name`` is like ``ObjectCreated:Put``."""

    event_version: str = field("eventVersion", text)
    event_source: str = field("eventSource", text)
    aws_region: str = field("awsRegion", text)
    event_time: datetime = field("eventTime", iso_8601)
    event_name: str = field("eventName", text)
    user_identity: S3Identity | None = optional("userIdentity", S3Identity.from_json)
    request_parameters: Mapping[str, str] = with_default("requestParameters", map_of(text), dict)
    response_elements: Mapping[str, str] = with_default("responseElements", map_of(text), dict)
    s3: S3Entity = field("s3", S3Entity.from_json)
    glacier_event_data: Mapping[str, Any] | None = optional("glacierEventData", an_object)


@attrs.frozen(kw_only=True)
class S3Event(Record):
    """What a bucket sends: one record.

    AWS: *Event message structure* in the user guide of Amazon S3.
    """

    records: tuple[S3Record, ...] = field("Records", array_of(S3Record.from_json))
