"""What the environment says about itself: as AWS's events, as log lines, and to subscribers."""

from lambda_sim.telemetry.dispatcher import Dispatcher
from lambda_sim.telemetry.schema import encoded, event_of, type_of
from lambda_sim.telemetry.text import log_records, tail

__all__ = ["Dispatcher", "encoded", "event_of", "log_records", "tail", "type_of"]
