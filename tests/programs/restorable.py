"""A SnapStart runtime that takes the steps it is given, and exits 0 after the last one.

restorable.py <step>[:<argument>] ...

restore         restore/next, and say so when it returns
init-error, restore-error
serve           Next and an echo, for ever
exit:<status>, hang, print:<text>, environ (print all variables as JSON)
once:<step>     not again after a restart: needs MARKS, a directory
"""

import http.client
import json
import os
import sys
import time

RUNTIME = "/2018-06-01/runtime"
BODY = b'{"errorMessage":"the hook failed","errorType":"Hooked"}'


def call(link, method, path, body=None, headers=()):
    link.request(method, RUNTIME + path, body, dict(headers))
    answer = link.getresponse()
    text = answer.read()
    if answer.status >= 300:
        say(f"{path} {answer.status} {text.decode().strip()}")
    return answer.headers, text


def take(link, step):
    verb, _, argument = step.partition(":")
    if verb in ("restore", "init-error", "restore-error", "serve"):
        talk(link, verb)
    elif verb == "once":
        if not os.path.exists(mark(argument)):
            open(mark(argument), "x").close()
            take(link, argument)
    else:
        ALONE[verb](argument)


def talk(link, verb):
    if verb == "serve":
        serve(link)
    elif verb == "restore":
        call(link, "GET", "/restore/next")
        say("restored")
    else:
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.Hooked"}
        call(link, "POST", f"/{verb.replace('-', '/')}", BODY, headers)


def mark(name):
    return os.path.join(os.environ["MARKS"], name.replace(":", "_"))


def until(name):
    while not os.path.exists(mark(name)):
        time.sleep(0.005)


def serve(link):
    while True:
        headers, event = call(link, "GET", "/invocation/next")
        path = f"/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}/response"
        call(link, "POST", path, event)


def say(text):
    os.write(1, f"{text}\n".encode())


ALONE = {
    "exit": lambda status: os._exit(int(status)),
    "hang": lambda _: time.sleep(600),
    "print": say,
    "half": lambda text: os.write(1, text.encode()),
    "mark": lambda name: open(mark(name), "x").close(),
    "until": until,
    "environ": lambda _: say(json.dumps(dict(os.environ))),
}


def main():
    link = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    for step in sys.argv[1:]:
        take(link, step)


main()
