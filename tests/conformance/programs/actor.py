"""A runtime or an extension that takes the steps it is given, and exits 0 after the last one.

    actor.py <name> <step>[:<argument>] ...

Runtimes:   next, respond, fail, serve (next and respond for ever), init-error
Extensions: register[:EVENT,...], event, listen (event for ever, exits after SHUTDOWN),
            init-error-of, exit-error
Both:       exit[:status], signal:<name>, hang, print:<text>, complain:<text>, trap (print SIGTERM
            and exit 0), deafen (print SIGTERM and go on), child (one more process, in this group),
            once:<step> (not again after a restart: needs MARKS, a directory), env:<name>,
            until:<mark> (wait for a file in MARKS), flood:<size> (print a line of so many x),
            group (print whether it leads its own process group), environ (print all variables
            as JSON), dump:<name> (as signal, and leave a core in MARKS)
"""

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import time


class Actor:
    def __init__(self, name):
        self.name = name
        self.link = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        self.identity = {}
        self.request_id = self.payload = None

    def call(self, method, path, headers=(), body=None):
        try:
            self.link.request(method, path, body, dict(headers))
            answer = self.link.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            sys.exit("the API is gone")
        if answer.status >= 300:
            say(f"{path} {answer.status} {text.decode()}")
        return answer.headers, text

    def take(self, step):
        verb, _, argument = step.partition(":")
        getattr(self, verb.replace("-", "_"))(*([argument] if argument else []))

    # --- A runtime

    def next(self):
        headers, self.payload = self.call("GET", "/2018-06-01/runtime/invocation/next")
        self.request_id = headers["Lambda-Runtime-Aws-Request-Id"]

    def respond(self):
        self.answer("response", self.payload)

    def fail(self):
        self.answer("error", b'{"errorMessage":"it broke","errorType":"Broken"}')

    def answer(self, kind, body):
        self.call("POST", f"/2018-06-01/runtime/invocation/{self.request_id}/{kind}", (), body)

    def serve(self):
        while True:
            self.next()
            self.respond()

    def init_error(self):
        body = b'{"errorMessage":"no start","errorType":"Sad"}'
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.Sad"}
        self.call("POST", "/2018-06-01/runtime/init/error", headers, body)

    # --- An extension

    def register(self, events=""):
        headers, _ = self.call(
            "POST",
            "/2020-01-01/extension/register",
            {"Lambda-Extension-Name": self.name},
            json.dumps({"events": events.split(",") if events else []}),
        )
        self.identity = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}

    def event(self):
        _, text = self.call("GET", "/2020-01-01/extension/event/next", self.identity)
        event = json.loads(text)
        say(" ".join([self.name, event["eventType"], event.get("shutdownReason", "")]).strip())
        return event

    def listen(self):
        while self.event()["eventType"] != "SHUTDOWN":
            pass

    def init_error_of(self):
        self.report("init")

    def exit_error(self):
        self.report("exit")

    def report(self, kind):
        headers = {**self.identity, "Lambda-Extension-Function-Error-Type": "Extension.Sad"}
        self.call("POST", f"/2020-01-01/extension/{kind}/error", headers, b"{}")

    # --- Both

    def exit(self, status="0"):
        sys.stdout.flush()
        os._exit(int(status))

    def signal(self, name):
        number = getattr(signal, f"SIG{name}")
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)  # Python ignores or catches some
        os.kill(os.getpid(), number)
        self.hang()

    def dump(self, name):
        os.chdir(os.environ["MARKS"])
        allowed = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (allowed, allowed))
        self.signal(name)

    def hang(self):
        while True:
            time.sleep(60)

    def print(self, text):
        say(text)

    def flood(self, size):
        say("x" * int(size))

    def complain(self, text):
        os.write(2, f"{text}\n".encode())

    def trap(self):
        signal.signal(signal.SIGTERM, lambda *_: (say(f"{self.name} SIGTERM"), os._exit(0)))

    def deafen(self):
        signal.signal(signal.SIGTERM, lambda *_: say(f"{self.name} SIGTERM"))

    def child(self):
        say(f"child {subprocess.Popen(['sleep', '600']).pid}")

    def once(self, step):
        mark = os.path.join(os.environ["MARKS"], step.replace("/", "_"))
        if not os.path.exists(mark):
            open(mark, "x").close()
            self.take(step)

    def until(self, mark):
        while not os.path.exists(os.path.join(os.environ["MARKS"], mark)):
            time.sleep(0.005)

    def env(self, name):
        say(f"{name}={os.environ.get(name)}")

    def environ(self):
        say(json.dumps(dict(os.environ)))

    def group(self):
        say(f"leads: {os.getpgid(0) == os.getpid()}")


def say(text):
    os.write(1, f"{text}\n".encode())


def main():
    actor = Actor(sys.argv[1])
    for step in sys.argv[2:]:
        actor.take(step)


main()
