"""Made-up events of streams: Kinesis and DynamoDB."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler.events.attribute_values import serialize

from .making import Json, Making, Where, as_text, items

__all__ = ["dynamodb", "kinesis"]

STEP = 1 << 80
"""How far the sequence numbers of a shard's neighbouring records are apart, about."""

NEW_ITEM = {"Id": 101, "Message": "New item!"}


def kinesis(
    data: Json | bytes = "Hello from Kinesis!",
    *,
    each: Sequence[Json | bytes] | None = None,
    count: int = 1,
    stream: str = "my-stream",
    partition_key: str = "1",
    shard: int = 0,
    **where: Unpack[Where],
) -> dict[str, Any]:
    """Records of a shard of a Kinesis data stream.

    :param data: what a record holds; what is neither bytes nor text becomes JSON
    :param each: the data of several records
    :param count: how many records
    :param stream: the stream's name
    :param partition_key: the key that chose the shard
    :param shard: the shard's number
    """
    make = Making(**where)
    first = make.number(56)
    records = []
    for number, item in items(data, each, count):
        sequence_number = str(first + STEP * number)
        held = item if isinstance(item, bytes) else as_text(item).encode()
        records.append(
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": partition_key,
                    "sequenceNumber": sequence_number,
                    "data": base64.b64encode(held).decode(),
                    "approximateArrivalTimestamp": make.later_ms(number) / 1000,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-{shard:012}:{sequence_number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": make.role_arn("my-role"),
                "awsRegion": make.region,
                "eventSourceARN": make.arn("kinesis", f"stream/{stream}"),
            }
        )
    return {"Records": records}


def dynamodb(
    new_image: Mapping[str, Any] | None = None,
    *,
    each: Sequence[Mapping[str, Any]] | None = None,
    count: int = 1,
    old_image: Mapping[str, Any] | None = None,
    key: str | Sequence[str] | None = None,
    table: str = "my-table",
    **where: Unpack[Where],
) -> dict[str, Any]:
    """Changes of a DynamoDB table: INSERT, MODIFY or REMOVE, as the images say.

    :param new_image: the item after the change, as plain JSON or Python values
    :param each: the new images of several changes
    :param count: how many changes
    :param old_image: the item before the change
    :param key: the name of the key's attribute, or both names (default: the item's first)
    :param table: the table's name
    """
    make = Making(**where)
    if new_image is None and old_image is None:
        new_image = NEW_ITEM
    stream = make.arn("dynamodb", f"table/{table}/stream/{make.at:%Y-%m-%d}T00:00:00.000")
    first = make.number(25)
    records = []
    for number, new in items(new_image, each, count):
        images = {
            name: {attribute: serialize(value) for attribute, value in image.items()}
            for name, image in (("NewImage", new), ("OldImage", old_image))
            if image is not None
        }
        image = images.get("NewImage", images.get("OldImage", {}))
        change: dict[str, Any] = {"Keys": _keys(image, key), **images}
        records.append(
            {
                "eventID": make.hex(32),
                "eventName": _event_name(images),
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": make.region,
                "dynamodb": {
                    "ApproximateCreationDateTime": make.later_ms(number) // 1000,
                    **change,
                    "SequenceNumber": str(first + number),
                    "SizeBytes": sum(map(_size_of_item, change.values())),
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
                "eventSourceARN": stream,
            }
        )
    return {"Records": records}


def _event_name(images: Mapping[str, Any]) -> str:
    if len(images) == 2:
        return "MODIFY"
    return "INSERT" if "NewImage" in images else "REMOVE"


def _keys(image: Mapping[str, Any], key: str | Sequence[str] | None) -> dict[str, Any]:
    names = [key] if isinstance(key, str) else key or list(image)[:1]
    if not names or not set(names) <= image.keys():
        raise ConfigurationError("key", key, f"names of the item's attributes: {list(image)}")
    return {name: image[name] for name in names}


def _size_of_item(item: Mapping[str, Any]) -> int:
    return sum(len(name.encode()) + _size_of(value) for name, value in item.items())


def _size_of(attribute: Mapping[str, Any]) -> int:
    """AWS: *DynamoDB item sizes and formats*."""
    kind, held = next(iter(attribute.items()))
    if kind in ("SS", "NS", "BS"):
        return sum(_size_of({kind[0]: member}) for member in held)
    if kind == "L":
        return 3 + sum(1 + _size_of(member) for member in held)
    if kind == "M":
        return 3 + len(held) + _size_of_item(held)
    if kind == "N":
        return (len(re.sub(r"\D", "", held)) + 1) // 2 + 1
    if kind == "B":
        return len(base64.b64decode(held))
    return len(str(held).encode()) if kind == "S" else 1
