"""Who can reach it: this machine alone, unless somebody asks for more."""

from __future__ import annotations

import psutil

from lambda_sim.testing import TcpTelemetryReceiver, TelemetryReceiver
from tests.cli.case import CommandTestCase
from tests.support import SimulatorTest


def listening(process: psutil.Process) -> set[str]:
    """The addresses a process listens on."""
    connections = process.net_connections("tcp")
    return {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}


class LibraryTest(SimulatorTest):
    def test_all_that_listens_listens_on_loopback(self) -> None:
        self.start()
        self.enterContext(TelemetryReceiver())
        self.enterContext(TcpTelemetryReceiver())
        self.assertEqual(listening(psutil.Process()), {"127.0.0.1"})

    def test_more_is_to_be_had_by_asking(self) -> None:
        self.start(host="0.0.0.0")
        self.assertEqual(listening(psutil.Process()), {"0.0.0.0"})


class CommandTest(CommandTestCase):
    def test_serve_listens_on_loopback_with_both_its_ports(self) -> None:
        child = self.start("serve", "--port", "0", "--handler", "functions.echo")
        self.read_until(child, "listening on http://127.0.0.1:")
        self.assertEqual(listening(psutil.Process(child.pid)), {"127.0.0.1"})
        child.terminate()
        self.assertEqual(self.finish(child).status, 0)
