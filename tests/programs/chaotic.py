"""A runtime, or an extension, in which everything goes wrong on demand. Standard library only.

    chaotic.py runtime|extension

A runtime does what the event says: {"do": <a method of Runtime>}. An extension reads what it is
to do off the request id, behind the dot. What has happened is marked by files in MARKS, named
after the request id; "wrong" is one too, for what the API should not have done.
"""

import json
import os
import select
import signal
import socket
import sys
import time

MARKS = os.environ["MARKS"]
RUNTIME = "/2018-06-01/runtime/invocation"
EVENT_NEXT = "/2020-01-01/extension/event/next"
AN_HOUR = 3600.0


class Link:
    """One connection to the API."""

    def __init__(self):
        host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.file = self.socket.makefile("rb")

    def send(self, method, path, headers=(), body=b"", sent=None):
        """Only so much of the body as ``sent`` says."""
        headers = [*headers, f"Content-Length: {len(body)}"]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""])
        self.socket.sendall(head.encode() + body[:sent])

    def read(self):
        status = self.file.readline().split(b" ", 2)
        if len(status) < 3:
            os._exit(0)  # the API is gone
        headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return int(status[1]), headers, self.file.read(int(headers.get("content-length", 0)))

    def call(self, *request):
        self.send(*request)
        return self.read()

    def close(self):
        self.file.close()
        self.socket.close()


def mark(name, text=""):
    """Written whole before it is there."""
    path = os.path.join(MARKS, name)
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def await_mark(name):
    while not os.path.exists(os.path.join(MARKS, name)):
        time.sleep(0.002)


def kill_self(signal_number):
    os.kill(os.getpid(), signal_number)


class Runtime:
    def __init__(self):
        try:
            os.unlink(os.path.join(MARKS, "poison"))
        except FileNotFoundError:
            self.link = Link()
        else:
            os._exit(9)

    def run(self):
        while True:
            self.next()
            getattr(self, json.loads(self.body)["do"])()

    def next(self):
        _, self.headers, self.body = self.link.call("GET", f"{RUNTIME}/next")
        self.id = self.headers["lambda-runtime-aws-request-id"]
        mark(f"{self.id}.begun", str(os.getpid()))

    def post(self, kind, body, headers=(), request_id=None):
        path = f"{RUNTIME}/{request_id or self.id}/{kind}"
        return self.link.call("POST", path, headers, body)[0]

    # --- What it may be told to do

    def answer(self):
        if self.post("response", self.body) == 202:
            mark(f"{self.id}.answered", str(os.getpid()))

    def work(self):
        end = time.monotonic() + 0.01
        while time.monotonic() < end:
            pass
        self.answer()

    def error(self, word="Told"):
        body = json.dumps({"errorType": word, "errorMessage": self.id}).encode()
        self.post("error", body, [f"Lambda-Runtime-Function-Error-Type: Function.{word}"])

    def exit(self):
        os._exit(3)

    def die(self):
        kill_self(signal.SIGKILL)

    def die_answering(self):
        self.link.send("POST", f"{RUNTIME}/{self.id}/response", (), bytes(100_000), 50_000)
        kill_self(signal.SIGKILL)

    def die_after(self):
        self.answer()
        kill_self(signal.SIGKILL)

    def stop(self):
        kill_self(signal.SIGSTOP)
        time.sleep(AN_HOUR)

    def stop_after(self):
        self.answer()
        kill_self(signal.SIGSTOP)

    def hang(self):
        time.sleep(AN_HOUR)

    def late_clock(self):
        """Works until its time is nearly over, by a clock that is an hour late."""
        while self.remaining(-AN_HOUR) > 0.05:
            time.sleep(0.01)
        self.answer()

    def early_clock(self):
        """Gives up when its time is over, by a clock that is an hour early."""
        self.error("NoTime" if self.remaining(AN_HOUR) <= 0 else "TimeLeft")

    def remaining(self, error):
        return int(self.headers["lambda-runtime-deadline-ms"]) / 1000 - (time.time() + error)

    def twice(self):
        self.answer()
        if self.post("response", b'"the second"') < 400:
            mark(f"{self.id}.wrong")

    def wrong_id(self):
        if self.post("response", self.body, (), "nobody-s") < 400:
            mark(f"{self.id}.wrong")
        self.answer()

    def ask_again(self):
        """Next before it answers: it is handed the same."""
        before = self.id, self.body
        self.next()
        if before != (self.id, self.body):
            mark(f"{before[0]}.wrong")
        self.answer()

    def drop(self):
        """It loses the connection, and asks again on another."""
        self.link.close()
        self.link = Link()
        self.ask_again()

    def await_extension(self):
        await_mark(f"{self.id}.extension")
        self.answer()

    def poison(self):
        """Ends, and so does the next init."""
        mark("poison")
        os._exit(3)


class Extension:
    def __init__(self):
        self.link = Link()
        _, headers, _ = self.link.call(
            "POST",
            "/2020-01-01/extension/register",
            ["Lambda-Extension-Name: chaotic.py"],
            b'{"events": ["INVOKE", "SHUTDOWN"]}',
        )
        self.identity = [f"Lambda-Extension-Identifier: {headers['lambda-extension-identifier']}"]

    def run(self):
        while True:
            status, _, body = self.link.call("GET", EVENT_NEXT, self.identity)
            event = json.loads(body)
            if status != 200 or event["eventType"] == "SHUTDOWN":
                os._exit(0)
            self.id = event["requestId"]
            getattr(self, self.id.partition(".")[2] or "done")()

    # --- What it may be told to do

    def done(self):
        pass

    def slow(self):
        time.sleep(0.15)

    def exit(self):
        os._exit(7)

    def exit_after(self):
        await_mark(f"{self.id}.answered")
        os._exit(7)

    def error(self):
        path = "/2020-01-01/extension/exit/error"
        self.link.call(
            "POST", path, [*self.identity, "Lambda-Extension-Function-Error-Type: Extension.Sad"]
        )
        os._exit(7)

    def stop(self):
        await_mark(f"{self.id}.answered")
        mark(f"{self.id}.extension", str(os.getpid()))
        kill_self(signal.SIGSTOP)

    def ask_twice(self):
        """Two Next calls at a time: one is parked, one refused."""
        other = Link()
        for link in (self.link, other):
            link.send("GET", EVENT_NEXT, self.identity)
        ready, _, _ = select.select([self.link.socket, other.socket], [], [])
        refused = other if other.socket in ready else self.link
        parked = self.link if refused is other else other
        if refused.read()[0] != 403:
            mark(f"{self.id}.wrong")
        refused.close()
        parked.close()
        self.link = Link()
        mark(f"{self.id}.extension")

    def hang_up(self):
        self.link.send("GET", EVENT_NEXT, self.identity)
        self.link.close()
        self.link = Link()


if __name__ == "__main__":
    {"runtime": Runtime, "extension": Extension}[sys.argv[1]]().run()
