"""Section 6.2 of the contract: we have none of the defects of AWS's emulator."""

from __future__ import annotations

import unittest

from tests.conformance.score.defects import DEFECTS
from tests.conformance.score.run import ours


class RieDefectsTest(unittest.TestCase):
    """The cases that an emulator with the defect fails hold for lambda_sim."""

    def assert_free_of(self, defect: str) -> None:
        outcomes = {one.case.name: one for one in ours()}
        for name in DEFECTS[defect]:
            with self.subTest(name):
                self.assertTrue(outcomes[name].is_held, outcomes[name].why)

    def test_d_01_parallel_invocations_do_not_kill_it(self) -> None:
        self.assert_free_of("D1")

    def test_d_02_start_names_the_same_request_as_everybody(self) -> None:
        self.assert_free_of("D2")

    def test_d_03_the_runtime_gets_a_trace_and_the_callers_content_type(self) -> None:
        self.assert_free_of("D3")

    def test_d_04_answers_have_their_headers(self) -> None:
        self.assert_free_of("D4")

    def test_d_05_invocation_type_qualifier_and_log_type_are_looked_at(self) -> None:
        self.assert_free_of("D5")

    def test_d_06_init_comes_first_and_is_measured(self) -> None:
        self.assert_free_of("D6")

    def test_d_07_bytes_and_memory_are_measured(self) -> None:
        self.assert_free_of("D7")

    def test_d_08_a_timeout_is_an_error_object(self) -> None:
        self.assert_free_of("D8")

    def test_d_09_a_crash_is_an_answer_and_a_report_and_is_got_over(self) -> None:
        self.assert_free_of("D9")

    def test_d_10_the_response_is_handed_on_when_it_comes(self) -> None:
        self.assert_free_of("D10")

    def test_d_11_ends_are_told_in_the_right_words(self) -> None:
        self.assert_free_of("D11")

    def test_d_12_init_has_its_limit(self) -> None:
        self.assert_free_of("D12")

    def test_d_13_streams_are_streams(self) -> None:
        self.assert_free_of("D13")

    def test_d_14_extensions_have_their_own_variables(self) -> None:
        self.assert_free_of("D14")

    def test_d_15_early_polls_and_truncated_uploads_do_not_wedge_it(self) -> None:
        self.assert_free_of("D15")

    def test_d_16_a_timeout_that_is_no_number_is_said_at_the_start(self) -> None:
        self.assert_free_of("D16")

    def test_d_17_telemetry_is_delivered(self) -> None:
        self.assert_free_of("D17")

    def test_d_18_a_wrong_response_mode_leaves_the_runtime_free(self) -> None:
        self.assert_free_of("D18")

    def test_d_19_managed_instances_are_told_the_same_as_others(self) -> None:
        self.assert_free_of("D19")

    def test_d_20_a_dead_poll_swallows_nothing(self) -> None:
        self.assert_free_of("D20")

    def test_each_has_its_test(self) -> None:
        tested = {name.split("_")[2] for name in dir(self) if name.startswith("test_d_")}
        self.assertEqual({f"D{int(number)}" for number in tested}, set(DEFECTS))


if __name__ == "__main__":
    unittest.main()
