"""Pages in a browser on this machine: none from elsewhere reaches what listens on loopback."""

from __future__ import annotations

from collections.abc import Mapping

from lambda_sim.wire.application import Application
from lambda_sim.wire.invoke_api import InvokeApi
from lambda_sim.wire.server import WireServer
from tests.raw import RawAnswer, RawConnection
from tests.support import SimulatorTest, handler_runtime

PING = "/2018-06-01/ping"
INVOKE = "/2015-03-31/functions/function/invocations"
BROWSER = {"Accept-Language": "de"}


class Asking(SimulatorTest):
    """Asks one address with exactly the headers that a test names."""

    address: tuple[str, int]

    def ask(self, **headers: str) -> RawAnswer:
        """A ping, on a connection of its own."""
        return self.sent(f"GET {PING}", headers)

    def sent(self, request: str, headers: Mapping[str, str], body: str = "") -> RawAnswer:
        connection = RawConnection(self.address)
        self.addCleanup(connection.close)
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.send("\r\n".join([f"{request} HTTP/1.1", *lines, "", body]).encode())
        return connection.read_answer()

    def assert_passes(self, **headers: str) -> None:
        with self.subTest(headers):
            self.assertEqual(self.ask(**headers).status, 200)

    def assert_refused(self, **headers: str) -> None:
        with self.subTest(headers):
            answer = self.ask(**headers)
            self.assertEqual(answer.status, 403)
            self.assertEqual(answer["Connection"], "close")
            self.assertIn(b"this listens on loopback", answer.body)


class PageTest(Asking):
    def setUp(self) -> None:
        super().setUp()
        self.address = self.start().addr

    def test_runtimes_and_sdks_may_use_any_host_as_with_the_emulator(self) -> None:
        for host in ("example.com", "rie:8080", "169.254.100.1:9001", "[::1]:1", ""):
            self.assert_passes(Host=host)
        self.assert_passes()

    def test_a_page_from_elsewhere_may_not_post(self) -> None:
        for origin in ("https://evil.example", "http://93.184.216.34", "http://[2001:db8::1]:80"):
            self.assert_refused(Host="127.0.0.1:9000", Origin=origin)

    def test_a_page_without_an_origin_of_its_own_may_not_post(self) -> None:
        for origin in ("null", "", "http://", "http://[", "http://192.168.1.1"):
            self.assert_refused(Host="127.0.0.1:9000", Origin=origin)

    def test_an_image_or_a_link_of_a_page_from_elsewhere_takes_no_event(self) -> None:
        """They carry no Origin, but a browser says where they came from."""
        self.assert_refused(Host="127.0.0.1:9000", Sec_Fetch_Site="cross-site")

    def test_a_page_whose_name_was_bound_anew_is_refused(self) -> None:
        for host in ("evil.example:9000", "evil.example.", "127.0.0.1.evil.example", "a.local.b"):
            self.assert_refused(Host=host, **BROWSER)
            self.assert_refused(Host=host, Referer="http://evil.example/")
            self.assert_refused(Host=host, Origin=f"http://{host}")

    def test_a_host_that_can_not_be_read_is_refused_to_a_browser(self) -> None:
        for host in ("[::1", "evil.example@127.0.0.1.evil.example", "a.b:c:d"):
            self.assert_refused(Host=host, **BROWSER)

    def test_the_developers_own_browser_may_look(self) -> None:
        for host in (
            "127.0.0.1:9000",
            "localhost",
            "app.localhost:9000",
            "[::1]:9000",
            "LOCALHOST.",
        ):
            self.assert_passes(Host=host, Sec_Fetch_Site="none", **BROWSER)

    def test_names_that_nobody_can_register_are_as_good(self) -> None:
        for host in ("rie:8080", "host.docker.internal:9000", "box.local", "shop.test", "10.0.0.2"):
            self.assert_passes(Host=host, **BROWSER)

    def test_pages_of_this_machine_may_call(self) -> None:
        for origin in ("http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:1",
                       "https://shop.test", "http://frontend:3000"):  # fmt: skip
            self.assert_passes(Host="127.0.0.1:9000", Origin=origin, Sec_Fetch_Site="cross-site")

    def test_tools_in_a_browser_that_are_no_page_may_call(self) -> None:
        self.assert_passes(Host="127.0.0.1:9000", Origin="chrome-extension://abcdef", **BROWSER)

    def test_a_refused_page_is_refused_again_on_the_next_connection(self) -> None:
        for _ in range(2):
            self.assert_refused(Host="evil.example", **BROWSER)

    def test_who_asks_for_another_address_answers_everyone(self) -> None:
        """A container's service name, a proxy in front, a team's machine: that is asked for."""
        self.address = ("127.0.0.1", self.start(host="0.0.0.0").addr[1])
        self.assert_passes(Host="lambda.example.com", Origin="https://example.com")


class InvokeTest(Asking):
    """The port that callers use: a page that got through would run the function."""

    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start(runtime=handler_runtime("functions.echo"))
        app = Application(InvokeApi(self.simulator).routes())
        self.address = self.enterContext(WireServer(app, name="invoke-api")).address

    def ask(self, **headers: str) -> RawAnswer:
        """An invocation, of a type that a browser lets any page post."""
        length = {"Content-Type": "text/plain", "Content-Length": "2"}
        return self.sent(f"POST {INVOKE}", {**headers, **length}, "{}")

    def assert_invoked(self, count: int) -> None:
        self.assertEqual(len(self.simulator.invocation_states), count)

    def test_a_page_from_elsewhere_invokes_nothing(self) -> None:
        for origin in ("https://evil.example", "http://93.184.216.34", "null"):
            self.assert_refused(Host="127.0.0.1:9000", Origin=origin)
        self.assert_refused(Host="127.0.0.1:9000", Sec_Fetch_Site="cross-site")
        self.assert_invoked(0)

    def test_nor_does_one_whose_name_was_bound_anew(self) -> None:
        for host in ("evil.example:9000", "127.0.0.1.evil.example"):
            self.assert_refused(Host=host, **BROWSER)
            self.assert_refused(Host=host, Origin=f"http://{host}")
            self.assert_refused(Host=host, Referer=f"http://{host}/")
        self.assert_invoked(0)

    def test_a_client_invokes_by_any_host(self) -> None:
        for host in ("127.0.0.1:9000", "example.com", "rie:8080"):
            self.assert_passes(Host=host)
        self.assert_invoked(3)

    def test_so_does_a_page_of_this_machine(self) -> None:
        self.assert_passes(Host="127.0.0.1:9000", Origin="http://localhost:3000", **BROWSER)
        self.assert_invoked(1)
