"""A typed handler that says what happens to it."""

import os
import signal
import time

from lambda_sim.handler import Handler, Invocation, as_entrypoint, lambda_handler


class Store(Handler[list[str], dict[str, str], list[str]]):
    margin = 0.3

    def setup(self) -> list[str]:
        print("setup", os.getpid())
        if os.environ.get("FAIL") == "setup":
            raise ConnectionError("no database")
        if os.environ.get("HEARS") == "sigterm":
            signal.signal(signal.SIGTERM, lambda number, frame: print("sigterm"))
        return []

    def run(self, shared: list[str], invocation: Invocation[dict[str, str]]) -> list[str]:
        shared.append(invocation.event["word"])
        action = invocation.event.get("do")
        if action == "sleep":
            time.sleep(60)
        elif action == "defy":
            defy()
        elif action == "meet":
            with open(invocation.event["fifo"]) as fifo:
                fifo.read()
        elif action == "leave":
            raise SystemExit(3)
        return shared

    def teardown(self, shared: list[str]) -> None:
        print("teardown", *shared)
        if os.environ.get("FAIL") == "teardown":
            raise ConnectionError("it is gone")
        if os.environ.get("FAIL") == "exit":
            raise SystemExit("could not flush")

    def before_snapshot(self, shared: list[str]) -> None:
        shared.append("snapshot")

    def after_restore(self, shared: list[str]) -> list[str]:
        return [*shared, "restored"]


def defy() -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException:
            print("no")


@lambda_handler
def streamed(event: list[str], context: object):
    for word in event:
        if word == "boom":
            raise ValueError(word)
        yield word


instance = Store()
entry = as_entrypoint(Store())
