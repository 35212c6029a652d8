"""Handlers that log, print and fail."""

import logging


class CustomException(Exception):
    pass


def log(event, context):
    logging.getLogger().setLevel("INFO")
    logging.info("two\nlines")


def fail(event, context):
    raise CustomException("some error occurred")


def mixed(event, context):
    for number in range(event["count"]):
        print("printed", number)
        logging.error("logged %d", number)
