"""Requests that two readers could understand differently: refused, and nothing after them read."""

from __future__ import annotations

from tests.raw import INIT_ERROR, HungUp, RawAnswer, RawConnection
from tests.support import SimulatorTest

SMUGGLED = b"GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {INIT_ERROR} HTTP/1.1\r\nHost: x\r\n".encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class SmugglingTest(SimulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.simulator = self.start()

    def answers(self, data: bytes) -> list[RawAnswer]:
        """All answers to some bytes, until the other side closes."""
        connection = RawConnection(self.simulator)
        self.addCleanup(connection.close)
        connection.send(data)
        connection.half_close()
        found = []
        try:
            while True:
                found.append(connection.read_answer())
        except HungUp:
            return found

    def assert_only_refused(self, *requests: bytes) -> None:
        for request in requests:
            with self.subTest(request[len(POST) - 1 :][:60]):
                found = self.answers(request + SMUGGLED)
                self.assertEqual([answer.status for answer in found], [400])
                self.assertEqual(found[0]["Connection"], "close")

    def assert_two_answers(self, *requests: bytes) -> None:
        """What may look strange, but has one meaning: the next request is the next request."""
        for request in requests:
            with self.subTest(request[len(POST) - 1 :][:60]):
                found = self.answers(request + SMUGGLED)
                self.assertEqual([answer.body for answer in found[1:]], [b"pong"])

    def test_two_lengths(self) -> None:
        self.assert_only_refused(
            POST + b"Content-Length: 0\r\nContent-Length: 43\r\n\r\n",
            POST + b"Content-Length: 43\r\ncontent-length: 0\r\n\r\n",
            POST + b"Content-Length: 0, 43\r\n\r\n",
            POST + b"Content-Length: 0, 0\r\n\r\n",
        )

    def test_a_length_and_chunks(self) -> None:
        self.assert_only_refused(
            POST + b"Content-Length: 43\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
        )

    def test_lengths_that_are_numbers_to_some(self) -> None:
        self.assert_only_refused(
            *(
                POST + b"Content-Length: " + length + b"\r\n\r\n"
                for length in (b"+0", b"-0", b"0x0", b"0_0", b"0.0", b"", b"0 0", b"\xb2", b"0;")
            )
        )

    def test_transfer_codings_that_are_chunked_to_some(self) -> None:
        self.assert_only_refused(
            *(
                POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n"
                for coding in (
                    b"\x0bchunked", b"xchunked", b"chunked;q=1", b'"chunked"', b"chunked,",
                    b"gzip, chunked", b"chunked, identity", b"chunke\xc3\xa4d",
                )
            ),
            POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        )  # fmt: skip

    def test_names_that_are_the_framing_to_some(self) -> None:
        self.assert_only_refused(
            POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            POST + b"Content-Length\t: 43\r\n\r\n",
            POST + b"\x00Content-Length: 43\r\n\r\n",
            POST + b" Content-Length: 43\r\n\r\n",
        )

    def test_names_with_an_underscore_are_no_framing(self) -> None:
        self.assert_two_answers(
            POST + b"Content_Length: 43\r\n\r\n", POST + b"Transfer_Encoding: chunked\r\n\r\n"
        )

    def test_folded_lines(self) -> None:
        self.assert_only_refused(
            POST + b"X: y\r\n Content-Length: 43\r\n\r\n",
            POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        )

    def test_lines_that_end_otherwise(self) -> None:
        self.assert_only_refused(
            POST + b"X: y\nContent-Length: 43\r\n\r\n",
            POST + b"X: y\rContent-Length: 43\r\n\r\n",
            POST.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
            POST + b"X: y\r\r\n\r\n",
        )

    def test_sizes_of_chunks_that_are_numbers_to_some(self) -> None:
        self.assert_only_refused(
            *(
                CHUNKED + size + b"\r\n\r\n"
                for size in (b"0x0", b"+0", b"-0", b"", b" 0", b"0\n", b"0\r", b"00000000000000000",
                             b"\xb2", b"0_0", b"g", b"0;a\nb", b"0;a\x00b")
            ),
            CHUNKED + b"10000000000000000\r\n",
        )  # fmt: skip

    def test_chunks_of_another_size_than_they_say(self) -> None:
        self.assert_only_refused(
            CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
            CHUNKED + b"3\r\nab\r\n0\r\n\r\n",
            CHUNKED + b"2\r\nab0\r\n\r\n",
            CHUNKED + b"2\r\nab\n0\r\n\r\n",
        )

    def test_extensions_of_chunks_mean_nothing(self) -> None:
        self.assert_two_answers(
            CHUNKED + b'2;a="b;c"\r\n{}\r\n0;x\r\n\r\n',
            CHUNKED + b"2 \t;a=1\r\n{}\r\n000;Content-Length: 43\r\n\r\n",
        )

    def test_trailers_frame_nothing(self) -> None:
        self.assert_two_answers(
            CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 43\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def test_trailers_that_are_no_headers(self) -> None:
        self.assert_only_refused(
            CHUNKED + b"0\r\nX\r\n\r\n",
            CHUNKED + b"0\r\nX: a\n\r\n",
            CHUNKED + b"0\r\n X: a\r\n\r\n",
        )

    def test_a_body_that_nobody_wanted_is_no_request(self) -> None:
        """Behind a path that does not exist, and behind one that refuses before it reads."""
        for path in (b"/nowhere", b"/2018-06-01/runtime/invocation/x/response"):
            head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 43\r\n\r\n"
            found = self.answers(head + SMUGGLED)
            self.assertEqual(len(found), 1, found)
