"""Tests of users that go wrong: each class in its own way. Named so that discovery passes it by."""

import unittest

from user import EXTENSION, RUNTIME

from lambda_sim import Simulator
from lambda_sim.testing import LambdaTestCase

SETTINGS = {"runtime": RUNTIME, "extensions": [EXTENSION], "invocation_timeout": 600}


class InSetUp(LambdaTestCase):
    lambda_config = SETTINGS

    def setUp(self):
        super().setUp()
        self.invoke("go")
        raise RuntimeError("in setUp")

    def test(self):
        pass


class InPlainSetUp(unittest.TestCase):
    def setUp(self):
        self.simulator = self.enterContext(Simulator(**SETTINGS))
        self.simulator.invoke("go")
        raise RuntimeError("in setUp")

    def test(self):
        pass


class InWith(unittest.TestCase):
    def test(self):
        with Simulator(**SETTINGS) as simulator:
            simulator.invoke("go")
            raise RuntimeError("in the block")


class Forgetful(unittest.TestCase):
    """What tearDown would close is not closed, as it is not called when setUp fails."""

    def setUp(self):
        self.simulator = Simulator(**SETTINGS).start()
        self.simulator.invoke("go")
        raise RuntimeError("in setUp")

    def tearDown(self):
        self.simulator.close()

    def test(self):
        pass


class Hanging(LambdaTestCase):
    lambda_config = SETTINGS

    def test(self):
        self.simulator.enqueue_payload("hang")
        self.simulator.wait_for(self.is_hanging)
        print("at invoking", flush=True)
        self.invoke("never")

    def is_hanging(self):
        return any(line.message == "at invoking\n" for line in self.simulator.logs)
