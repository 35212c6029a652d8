"""Pages in a browser on this machine: none from elsewhere reaches what listens on loopback."""

from __future__ import annotations

from lambda_sim import Simulator
from tests.raw import RawAnswer, RawConnection
from tests.support import SimulatorTest

PING = "/2018-06-01/ping"
BROWSER = {"Accept-Language": "de"}


class PageTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start()

    def ask(self, simulator: Simulator | None = None, **headers: str) -> RawAnswer:
        """A ping with exactly these headers, on a connection of its own."""
        simulator = simulator or self.simulator
        connection = RawConnection(("127.0.0.1", simulator.addr[1]))
        self.addCleanup(connection.close)
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.send("\r\n".join([f"GET {PING} HTTP/1.1", *lines, "", ""]).encode())
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
        simulator = self.start(host="0.0.0.0")
        answer = self.ask(simulator, Host="lambda.example.com", Origin="https://example.com")
        self.assertEqual(answer.status, 200)
