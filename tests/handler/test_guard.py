"""guard: what an invocation that takes too long can be called out of, and what not."""

from __future__ import annotations

import _imp
import _thread
import asyncio
import concurrent.futures
import contextlib
import ctypes
import functools
import importlib
import io
import itertools
import logging
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Any

from lambda_sim.errors import ConfigurationError, ShuttingDown
from lambda_sim.handler.deadline import Deadline, DeadlineExceeded
from lambda_sim.handler.guard import SOONEST, DeadlineGuard
from lambda_sim.handler.interruption import SIGNAL, Target, Watch, _Order
from lambda_sim.testing import ManualClock
from tests.support import PATIENCE, ROOT, SimulatorTest

LONG = 2 * PATIENCE
"""Seconds. With such a margin work is interrupted at once, and not stuck before it unwinds."""

SHORT = 0.02
"""Seconds. With such a margin what can't be interrupted is stuck soon."""

SOON = 0.5
"""Seconds: not before the work has come to where it is to be interrupted."""


class GuardTest(SimulatorTest):
    """Each test's work runs in the main thread, in the classes below also in others."""

    def setUp(self) -> None:
        super().setUp()
        self.stuck = threading.Event()
        self.told: list[DeadlineExceeded] = []
        self.is_spinning = False

    def guard(self, margin: float) -> DeadlineGuard:
        return self.enterContext(DeadlineGuard(margin, on_stuck=self.on_stuck))

    def on_stuck(self, error: DeadlineExceeded) -> None:
        self.told.append(error)
        self.stuck.set()

    def fail_in(
        self, work: Callable[[], object], margin: float = LONG, after: float | None = None
    ) -> DeadlineExceeded:
        """The error of work that is interrupted after so many seconds; before it begins if None."""
        guard = self.guard(margin)

        def watched() -> DeadlineExceeded:
            deadline = Deadline.after(0 if after is None else margin + after)
            with self.assertRaises(DeadlineExceeded) as caught, guard.watch(deadline):
                work()
            return caught.exception

        return self.run_work(watched)

    def run_work(self, work: Callable[[], Any]) -> Any:
        return work()

    def run_in_thread(self, work: Callable[[], Any]) -> Any:
        return self.soon(work).result(PATIENCE)

    def spin(self) -> None:
        """Python code that never waits, for as long as a test has patience."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self.is_spinning = True
        self.fail("nothing interrupted the loop")

    def look_once_it_spins(self, watch: Any) -> None:
        """Not before: an error that comes on entering shows where the work would have begun."""

        def look() -> None:
            until = time.monotonic() + PATIENCE
            while not self.is_spinning and time.monotonic() < until:
                time.sleep(0)
            watch.look(time.monotonic())

        self.soon(look)


class Anywhere:
    """What holds in any thread."""

    def test_a_loop_in_python_is_interrupted(self: Any) -> None:
        error = self.fail_in(self.spin)
        self.assertEqual(str(error), "Lambda failed by running into a timeout")
        self.assertEqual(self.told, [])

    def test_the_error_shows_where_the_code_was(self: Any) -> None:
        guard = self.guard(LONG)

        def watched() -> DeadlineExceeded:
            deadline = Deadline.after(2 * LONG)
            with self.assertRaises(DeadlineExceeded) as caught, guard.watch(deadline) as watch:
                self.look_once_it_spins(watch)
                self.spin()
            return caught.exception

        stack = self.run_work(watched).stack
        self.assertIn("in spin", stack[-1])
        self.assertIn("self.spin()", stack[0])

    def test_one_that_comes_between_work_and_exit_leaves_nothing_open(self: Any) -> None:
        guard = self.guard(LONG)
        ended = (lambda: None, lambda: {}["missing"])

        def watched() -> list[object]:
            ident = ctypes.c_ulong(threading.get_ident())
            send = _unseen(functools.partial(ctypes.pythonapi.PyThreadState_SetAsyncExc, ident))
            for end in ended:
                with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(2 * LONG)):
                    try:
                        end()
                    finally:
                        send + ctypes.py_object(DeadlineExceeded)
            return Target.here()._open

        self.assertEqual(self.run_work(watched), [])
        self.assertEqual(guard.watchdog._due, {})

    def test_code_that_catches_exceptions_does_not_catch_it(self: Any) -> None:
        def stubborn() -> None:
            while True:
                with contextlib.suppress(Exception):
                    self.spin()

        self.fail_in(stubborn)

    def test_swallowed_once_it_is_raised_again(self: Any) -> None:
        swallowed = []

        def deaf() -> None:
            try:
                self.spin()
            except BaseException as error:
                swallowed.append(error)
            self.spin()

        self.fail_in(deaf, margin=1.0, after=SOON)
        self.assertIsInstance(swallowed[0], DeadlineExceeded)

    def test_tidying_up_is_not_interrupted(self: Any) -> None:
        tidied = []

        def tidy() -> None:
            try:
                self.spin()
            finally:
                for _ in range(3):
                    self.look_at(watch)
                    self.look_at(watch)
                tidied.append(True)

        guard = self.guard(LONG)
        deadline = Deadline.after(LONG + SOON)

        def watched() -> None:
            nonlocal watch
            with self.assertRaises(DeadlineExceeded), guard.watch(deadline) as watch:
                tidy()

        watch: Watch
        self.run_work(watched)
        self.assertEqual(tidied, [True])

    def look_at(self: Any, watch: Any) -> None:
        """What the watchdog does every now and then, done now, by another thread."""
        self.soon(watch.look, time.monotonic()).result(PATIENCE)

    def test_a_shield_keeps_it_out_until_its_end(self: Any) -> None:
        steps = []
        guard = self.guard(LONG)
        deadline = Deadline.after(2 * LONG)

        def watched() -> None:
            with self.assertRaises(DeadlineExceeded), guard.watch(deadline) as watch:
                with deadline.shield():
                    self.look_at(watch)
                    steps.append("whole")
                steps.append("not reached")

        self.run_work(watched)
        self.assertEqual(steps, ["whole"])

    def test_shields_hold_inside_each_other(self: Any) -> None:
        steps = []
        guard = self.guard(LONG)
        deadline = Deadline.after(2 * LONG)

        def watched() -> None:
            with self.assertRaises(DeadlineExceeded), guard.watch(deadline) as watch:
                with deadline.shield():
                    with deadline.shield():
                        self.look_at(watch)
                    steps.append("inner is over")
                steps.append("not reached")

        self.run_work(watched)
        self.assertEqual(steps, ["inner is over"])

    def test_work_in_time_is_let_be(self: Any) -> None:
        guard = self.guard(0.1)

        def watched() -> str:
            for _ in range(100):
                with guard.watch(Deadline.after(LONG)):
                    pass
            return "done"

        self.assertEqual(self.run_work(watched), "done")

    def test_what_the_work_raises_comes_through(self: Any) -> None:
        guard = self.guard(0.1)

        def watched() -> None:
            with self.assertRaises(KeyError), guard.watch(Deadline.after(LONG)):
                raise KeyError

        self.run_work(watched)

    def test_work_that_swallows_it_for_ever_is_stuck(self: Any) -> None:
        def deaf() -> None:
            while not self.stuck.is_set():
                with contextlib.suppress(BaseException):
                    while not self.stuck.is_set():
                        pass

        self.fail_in(deaf, margin=SHORT, after=SOON)
        [error] = self.told
        self.assertIn("in deaf", "".join(error.stack))

    def test_stuck_work_that_ends_after_all_has_failed(self: Any) -> None:
        steps = []

        def late() -> None:
            with Deadline.after(LONG).shield():
                self.stuck.wait(PATIENCE)
                steps.append("ended")

        self.fail_in(late, margin=SHORT, after=SOON)
        self.assertEqual(steps, ["ended"])

    def test_a_watch_inside_another_ends_with_the_earlier_deadline(self: Any) -> None:
        guard = self.guard(LONG)

        def watched() -> str:
            with guard.watch(Deadline.after(2 * LONG)):
                with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(0)):
                    self.spin()
                return "the outer goes on"

        self.assertEqual(self.run_work(watched), "the outer goes on")

    def test_an_outer_deadline_ends_an_inner_watch_too(self: Any) -> None:
        guard = self.guard(LONG)

        def watched() -> None:
            outer, inner = guard.watch(Deadline.after(0)), guard.watch(Deadline.after(2 * LONG))
            with self.assertRaises(DeadlineExceeded), outer, inner:
                self.spin()

        self.run_work(watched)

    def test_whatever_the_moment_it_comes_inside_the_block_or_not_at_all(self: Any) -> None:
        guard = self.guard(0.0)
        caught = 0

        def watched(seconds: float) -> None:
            nonlocal caught
            until = time.monotonic() + seconds
            try:
                with guard.watch(Deadline.after(0.002, margin=0)):
                    while time.monotonic() < until:
                        pass
            except DeadlineExceeded:
                caught += 1

        def several() -> None:
            for number in range(300):
                watched(0.0005 + number % 10 * 0.0003)

        self.run_work(several)
        self.assertGreater(caught, 0)
        self.assertLess(caught, 300)


class MainThreadTest(Anywhere, GuardTest):
    """Here a signal calls out of whatever Python waits for."""

    def test_waits_of_every_kind_are_interrupted(self) -> None:
        with contextlib.ExitStack() as stack:
            ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
            held = threading.Lock()
            held.acquire()
            child = stack.enter_context(_child())
            pending = self.soon(theirs.recv, 1)
            waits: dict[str, Callable[[], object]] = {
                "sleep": lambda: time.sleep(PATIENCE),
                "socket": lambda: ours.recv(1),
                "lock": lambda: held.acquire(timeout=PATIENCE),
                "event": lambda: threading.Event().wait(PATIENCE),
                "polling": _poll_for_ever,
                "asyncio": lambda: asyncio.run(asyncio.sleep(PATIENCE)),
                "subprocess": lambda: child.wait(PATIENCE),
                "future": lambda: pending.result(PATIENCE),
            }
            for name, wait in waits.items():
                with self.subTest(name):
                    self.fail_in(wait, after=0.1)  # when it waits
            ours.sendall(b"!")
        self.assertEqual(self.told, [])

    def test_it_is_interrupted_the_margin_before_its_deadline(self) -> None:
        guard = self.guard(LONG)
        began = time.monotonic()
        with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(LONG + 0.1)):
            time.sleep(PATIENCE)
        self.assertGreaterEqual(time.monotonic() - began, 0.099)

    def test_one_call_into_c_ends_first(self) -> None:
        guard = self.guard(LONG)
        ended = []

        def work() -> None:
            self.is_spinning = True
            ended.append(sum(range(5_000_000)))
            self.spin()

        deadline = Deadline.after(2 * LONG)
        with self.assertRaises(DeadlineExceeded) as caught, guard.watch(deadline) as watch:
            self.look_once_it_spins(watch)
            work()
        self.assertTrue(ended or "sum(range" in caught.exception.stack[-1])

    @unittest.skipUnless(sys.platform == "linux", "pthread barriers are not everywhere")
    def test_c_code_that_no_signal_ends_is_stuck_and_its_place_is_told(self) -> None:
        libc = ctypes.CDLL(None)
        barrier = ctypes.create_string_buffer(64)
        libc.pthread_barrier_init(barrier, None, 2)

        def meet(error: DeadlineExceeded) -> None:
            self.told.append(error)
            libc.pthread_barrier_wait(barrier)

        guard = self.enterContext(DeadlineGuard(SHORT, on_stuck=meet))
        with self.assertRaises(DeadlineExceeded) as caught, guard.watch(Deadline.after(SOON)):
            libc.pthread_barrier_wait(barrier)
        [told] = self.told
        self.assertIn("libc.pthread_barrier_wait(barrier)", told.stack[-1])
        self.assertIn("libc.pthread_barrier_wait(barrier)", caught.exception.stack[-1])

    def test_the_signal_has_its_former_handler_afterwards(self) -> None:
        seen: list[int] = []
        theirs = signal.signal(SIGNAL, lambda number, frame: seen.append(number))
        self.addCleanup(signal.signal, SIGNAL, theirs)
        mine = signal.getsignal(SIGNAL)
        self.fail_in(self.spin)
        self.assertIs(signal.getsignal(SIGNAL), mine)
        with self.guard(0.1).watch(Deadline.after(LONG)):
            signal.raise_signal(SIGNAL)
        self.assertEqual(seen, [SIGNAL])

    def test_the_functions_own_alarm_works_inside(self) -> None:
        def ring(number: int, frame: object) -> None:
            raise TimeoutError

        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, ring))
        with self.guard(0.1).watch(Deadline.after(LONG)), self.assertRaises(TimeoutError):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            time.sleep(PATIENCE)

    def test_it_may_be_entered_by_an_exit_stack(self) -> None:
        guard = self.guard(LONG)
        with self.assertRaises(DeadlineExceeded) as caught, contextlib.ExitStack() as stack:
            self.look_once_it_spins(stack.enter_context(guard.watch(Deadline.after(2 * LONG))))
            self.spin()
        self.assertIn("in spin", caught.exception.stack[-1])

    def test_what_comes_while_an_exit_stack_leaves_it_is_too_late(self) -> None:
        guard = self.guard(LONG)
        target = Target.here()
        with contextlib.ExitStack() as stack:
            watch = stack.enter_context(guard.watch(Deadline.after(2 * LONG)))
            target._wanted = _Order(DeadlineExceeded, watch.entry)
            _unseen(_thread.interrupt_main) + SIGNAL
        self.assertEqual((target._open, target.held), ([], None))

    def test_what_an_exit_stack_waits_for_is_interrupted(self) -> None:
        guard = self.guard(1.0)
        held = threading.Lock()
        held.acquire()
        with self.assertRaises(DeadlineExceeded), contextlib.ExitStack() as stack:
            stack.enter_context(guard.watch(Deadline.after(1.0 + SOON)))
            stack.enter_context(held)
        self.assertEqual(self.told, [])

    def test_a_wait_may_be_interrupted_at_a_second_look_without_a_margin(self) -> None:
        clock = ManualClock()
        guard = self.enterContext(DeadlineGuard(0.0, on_stuck=self.on_stuck, clock=clock))
        has_begun, is_over = threading.Event(), threading.Event()

        def look_twice(watch: Any) -> None:
            has_begun.wait(PATIENCE)
            due = clock.monotonic() + 1.0
            watch.look(due)
            while not is_over.is_set():
                watch.look(due + SOONEST)
                time.sleep(0)

        deadline = Deadline.after(1.0, margin=0.0, clock=clock)
        with self.assertRaises(DeadlineExceeded), guard.watch(deadline) as watch:
            looking = self.soon(look_twice, watch)
            has_begun.set()
            threading.Event().wait(PATIENCE)
        is_over.set()
        looking.result(PATIENCE)
        self.assertEqual(self.told, [])


class LocksTest(GuardTest):
    """Between taking a lock and letting go of it, in Python, nothing is torn."""

    def assert_lets_go(self, work: Callable[[], object], *locks: Any) -> None:
        """Interrupt it at each of its steps."""
        guard = self.guard(LONG)
        for step in itertools.count():
            if not self.is_interrupted_at(step, work, guard):
                break
            for lock in locks:
                is_held = self.soon(_is_held, lock).result(PATIENCE)
                self.assertFalse(is_held, f"interrupted at step {step}")
        self.assertGreater(step, 5)

    def is_interrupted_at(
        self, step: int, work: Callable[[], object], guard: DeadlineGuard
    ) -> bool:
        """False if it does not have so many steps: to enter or leave a function is one."""
        steps = iter(range(step))
        ring = _unseen(_thread.interrupt_main)
        is_rung = False

        def at_each(frame: object, event: str, argument: object) -> None:
            nonlocal is_rung
            if next(steps, None) is None:
                sys.setprofile(None)
                is_rung = True
                ring + SIGNAL

        deadline = Deadline.after(2 * LONG)
        with contextlib.suppress(DeadlineExceeded), guard.watch(deadline) as watch:
            Target.here()._wanted = _Order(DeadlineExceeded, watch.entry)  # type: ignore[attr-defined]
            sys.setprofile(at_each)
            try:
                work()
            finally:
                sys.setprofile(None)
        return is_rung

    def test_a_condition_lets_go_of_its_lock_and_forgets_who_waited(self) -> None:
        condition = threading.Condition()

        def work() -> None:
            with condition:
                condition.wait(0)

        self.assert_lets_go(work, condition)
        self.assertEqual(list(condition._waiters), [])  # type: ignore[attr-defined]

    def test_a_queue_lets_go_of_its_lock_and_loses_nothing(self) -> None:
        pool = queue.LifoQueue[str]()
        pool.put("connection")

        def work() -> None:
            connection = pool.get(block=False)
            pool.put(connection)

        self.assert_lets_go(work, pool.mutex)
        self.assertEqual(pool.qsize(), 1)

    def test_a_semaphore_is_given_back(self) -> None:
        semaphore = threading.Semaphore()

        def work() -> None:
            with semaphore:
                pass

        self.assert_lets_go(work, semaphore._cond, semaphore)

    def test_a_log_handler_lets_go_of_its_lock(self) -> None:
        handler = logging.StreamHandler(io.StringIO())
        record = logging.makeLogRecord({"msg": "at work"})
        self.assert_lets_go(lambda: handler.handle(record), handler.lock)

    def test_futures_that_are_waited_for_let_go_of_their_locks(self) -> None:
        futures = [concurrent.futures.Future[None]() for _ in range(3)]
        for future in futures:
            future.set_result(None)
        locks = [future._condition for future in futures]
        self.assert_lets_go(lambda: concurrent.futures.wait(futures), *locks)

    def test_an_exit_stack_lets_go_of_its_locks(self) -> None:
        lock = threading.Lock()

        def work() -> None:
            with contextlib.ExitStack() as stack:
                stack.enter_context(lock)

        self.assert_lets_go(work, lock)

    def test_an_import_lets_go_of_the_lock_of_all(self) -> None:
        def work() -> None:
            with contextlib.suppress(ImportError):
                importlib.import_module("there_is_no_such_module")

        self.assert_lets_go(work, _ImportLock)

    def test_what_comes_where_nothing_is_torn_is_raised_just_after(self) -> None:
        guard = self.guard(LONG)
        condition = threading.Condition()
        reached = []

        def work() -> None:
            with condition:
                reach()

        def reach() -> None:
            reached.append(step)

        for step in range(1, 4):  # it is about to enter, and about to have entered
            self.is_interrupted_at(step, work, guard)
        self.assertEqual(reached, [])

    def test_who_waits_for_the_lock_of_a_condition_has_it_first(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        condition = threading.Condition(lock)

        def let_go(error: DeadlineExceeded) -> None:
            self.told.append(error)
            lock.release()

        guard = self.enterContext(DeadlineGuard(SHORT, on_stuck=let_go))
        with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(SOON)), condition:
            time.sleep(PATIENCE)
        self.assertFalse(lock.locked())
        self.assertIn("in __enter__", self.told[0].stack[-1])


class _ImportLock:
    """The one that all imports of a process take now and then."""

    @staticmethod
    def acquire(*, blocking: bool) -> bool:
        return not _imp.lock_held()

    @staticmethod
    def release() -> None:
        """It was not taken."""


def _is_held(lock: Any) -> bool:
    """Whether a thread that has not taken it could not do so."""
    if lock.acquire(blocking=False):
        lock.release()
        return False
    return True


class OtherThreadTest(Anywhere, GuardTest):
    """Here an error comes when Python code runs next, and a wait goes on to its end."""

    def run_work(self, work: Callable[[], Any]) -> Any:
        return self.run_in_thread(work)

    def test_a_wait_ends_first_and_is_stuck_meanwhile(self) -> None:
        ours, theirs = (self.enterContext(one) for one in socket.socketpair())
        guard = self.guard(SHORT)
        received = bytearray(1)

        def watched() -> None:
            with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(SOON)):
                ours.recv_into(received)
                self.fail("nothing interrupted it afterwards")

        waiting = self.soon(watched)
        self.assertTrue(self.stuck.wait(PATIENCE))
        self.assertIn("ours.recv_into(received)", self.told[0].stack[-1])
        theirs.sendall(b"!")
        waiting.result(PATIENCE)
        self.assertEqual(received, b"!")

    def test_several_threads_are_watched_at_once(self) -> None:
        guard = self.guard(LONG)

        def late() -> str:
            with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(0)):
                self.spin()
            return "late"

        def early() -> str:
            with guard.watch(Deadline.after(2 * LONG)):
                return "early"

        answers = [self.soon(work) for work in (late, early, late, early)]
        told = [answer.result(PATIENCE) for answer in answers]
        self.assertEqual(told, ["late", "early", "late", "early"])

    def test_the_main_threads_signal_is_not_touched(self) -> None:
        before = signal.getsignal(SIGNAL)
        guard = self.guard(0.1)

        def watched() -> object:
            with guard.watch(Deadline.after(LONG)):
                return signal.getsignal(SIGNAL)

        self.assertIs(self.run_in_thread(watched), before)

    def test_a_debugger_works_afterwards(self) -> None:
        program = (
            "import sys, threading\n"
            "from lambda_sim.handler import Deadline, DeadlineExceeded, DeadlineGuard\n"
            "def work():\n"
            "    with guard.watch(Deadline.after(0)):\n"
            "        while True:\n"
            "            pass\n"
            "def watched():\n"
            "    try:\n"
            "        work()\n"
            "    except DeadlineExceeded:\n"
            "        print('interrupted')\n"
            "with DeadlineGuard() as guard:\n"
            "    thread = threading.Thread(target=watched)\n"
            "    thread.start()\n"
            "    thread.join()\n"
            "sys.settrace(lambda *seen: None)\n"
            "(lambda: print('traced'))()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        self.assertEqual(done.stdout.split(), [b"interrupted", b"traced"])


class PoisonTest(GuardTest):
    def test_a_guard_is_poisoned_by_stuck_work_alone(self) -> None:
        guard = self.guard(LONG)
        with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(0)):
            self.spin()
        self.assertFalse(guard.is_poisoned)
        guard = self.guard(SHORT)
        deadline = Deadline.after(SOON)
        with self.assertRaises(DeadlineExceeded), guard.watch(deadline), deadline.shield():
            self.stuck.wait(PATIENCE)
        self.assertTrue(guard.is_poisoned)

    def test_the_work_waits_until_whoever_is_told_is_done(self) -> None:
        ended = threading.Event()
        order: list[str] = []

        def tell(error: DeadlineExceeded) -> None:
            self.stuck.set()
            self.assertTrue(ended.wait(PATIENCE))
            order.append("told")

        guard = self.enterContext(DeadlineGuard(SHORT, on_stuck=tell))
        deadline = Deadline.after(SOON)
        with self.assertRaises(DeadlineExceeded), guard.watch(deadline), deadline.shield():
            self.stuck.wait(PATIENCE)
            ended.set()
        order.append("left")
        self.assertEqual(order, ["told", "left"])

    def test_nobody_need_be_told(self) -> None:
        guard = self.enterContext(DeadlineGuard(SHORT))
        with self.assertRaises(DeadlineExceeded), guard.watch(Deadline.after(0)):
            while not guard.is_poisoned:
                with contextlib.suppress(BaseException):
                    time.sleep(0.001)
        self.assertTrue(guard.is_poisoned)

    def test_what_the_told_one_raises_is_logged(self) -> None:
        def tell(error: DeadlineExceeded) -> None:
            self.stuck.set()
            raise ValueError("as asked")

        guard = self.enterContext(DeadlineGuard(SHORT, on_stuck=tell))
        deadline = Deadline.after(SOON)
        logged = self.enterContext(self.assertLogs("lambda_sim.handler.guard"))
        with self.assertRaises(DeadlineExceeded), guard.watch(deadline), deadline.shield():
            self.stuck.wait(PATIENCE)
        self.assertIn("ValueError: as asked", logged.output[0])


class LifeTest(GuardTest):
    def test_a_margin_is_seconds(self) -> None:
        for margin in (-0.1, float("inf"), float("nan")):
            with self.assertRaisesRegex(ConfigurationError, "margin"):
                DeadlineGuard(margin)

    def test_nothing_is_watched_after_the_end(self) -> None:
        before = signal.getsignal(SIGNAL)
        guard = DeadlineGuard()
        guard.close()
        with self.assertRaises(ShuttingDown), guard.watch(Deadline.after(LONG)):
            self.fail("it was entered")
        self.assertIs(signal.getsignal(SIGNAL), before)

    def test_closing_twice_is_fine(self) -> None:
        guard = DeadlineGuard()
        with guard.watch(Deadline.after(LONG)):
            pass
        guard.close()
        guard.close()


def _unseen(call: Callable[[Any], object]) -> Any:
    """What calls this when something is added to it: there Python looks for no interruptions."""
    return type("Unseen", (), {"__add__": staticmethod(call)})()


def _poll_for_ever() -> None:
    """Where the code is in a wait whenever one looks, and each time in another."""
    event = threading.Event()
    until = time.monotonic() + PATIENCE
    while not event.wait(0.001) and time.monotonic() < until:
        pass


@contextlib.contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits until its input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    try:
        with child:
            yield child
    finally:
        child.kill()


if __name__ == "__main__":
    unittest.main()
