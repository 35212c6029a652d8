"""Typed handlers that take too long, or too much, in ways that an event names."""

import ctypes
import json
import os
import threading
import time

from lambda_sim.handler import Handler, Invocation, as_entrypoint

MB = 1024 * 1024


class Slow(Handler[None, dict[str, str], dict[str, int]]):
    margin = 1.0

    def run(self, shared: None, invocation: Invocation[dict[str, str]]) -> dict[str, int]:
        do = invocation.event.get("do")
        if do is not None:
            WAYS[do](invocation)
        return {"pid": os.getpid()}

    def on_error(self, error: BaseException, invocation: Invocation[dict[str, str]]) -> None:
        print("on_error", type(error).__name__)

    def teardown(self, shared: None) -> None:
        print("teardown", os.getpid())


def sleep(invocation):
    time.sleep(60)


def wait_for_lock(invocation):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def swallow(invocation):
    while True:
        try:
            time.sleep(60)
        except:  # noqa: E722 - what authors do
            print("swallowed")


def call_into_c(invocation):
    libc = ctypes.CDLL(None)
    barrier = ctypes.create_string_buffer(64)
    libc.pthread_barrier_init(barrier, None, 2)
    libc.pthread_barrier_wait(barrier)


def fill(invocation):
    held = []
    while True:
        held.append(bytearray(b"1") * MB)
        time.sleep(0.005)


WAYS = {
    "sleep": sleep,
    "wait_for_lock": wait_for_lock,
    "swallow": swallow,
    "call_into_c": call_into_c,
    "fill": fill,
}

entry = as_entrypoint(Slow())


class Streaming(Slow):
    def run(self, shared, invocation):
        yield b" "
        yield json.dumps(super().run(shared, invocation)).encode()
