"""A function of a queue, called by tests of the command with events that the command made up."""

from lambda_sim.handler import events


def handler(event, context):
    return [record.body for record in events.SQSEvent.from_json(event).records]
