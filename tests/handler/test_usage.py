"""usage: where the figures of memory come from, and which of them count."""

from __future__ import annotations

import mmap
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import psutil

from lambda_sim.errors import ConfigurationError
from lambda_sim.handler import usage

MB = 1024 * 1024


class CgroupTest(unittest.TestCase):
    """The files of a system that is made for the test."""

    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text + "\n")

    def version_2(self, path: str = "", limit: str = str(128 * MB)) -> None:
        folder = f"sys/fs/cgroup{path}"
        self.write(f"{folder}/memory.max", limit)
        self.write(f"{folder}/memory.current", str(100 * MB))
        self.write(f"{folder}/memory.stat", f"anon 5\ninactive_file {30 * MB}\nfile 7")

    def test_version_2_counts_what_the_kernel_can_t_take_back(self) -> None:
        self.write("proc/self/cgroup", "0::/lambda/one")
        self.version_2("/lambda/one")
        found = usage.cgroup(128 * MB, self.root)
        assert found is not None
        source, limit = found
        self.assertEqual((source(), limit), (70 * MB, 128 * MB))

    def test_version_1_counts_alike(self) -> None:
        self.write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/lambda/one\n0::/")
        folder = "sys/fs/cgroup/memory/lambda/one"
        self.write(f"{folder}/memory.limit_in_bytes", str(128 * MB))
        self.write(f"{folder}/memory.usage_in_bytes", str(100 * MB))
        self.write(f"{folder}/memory.stat", f"inactive_file 1\ntotal_inactive_file {30 * MB}")
        found = usage.cgroup(128 * MB, self.root)
        assert found is not None
        source, limit = found
        self.assertEqual((source(), limit), (70 * MB, 128 * MB))

    def test_a_container_sees_its_own_at_the_top(self) -> None:
        self.write("proc/self/cgroup", "0::/docker/0123/of/the/host")
        self.version_2()
        self.assertIsNotNone(usage.cgroup(128 * MB, self.root))

    def test_a_smaller_limit_of_the_container_holds(self) -> None:
        self.write("proc/self/cgroup", "0::/")
        self.version_2(limit=str(64 * MB))
        found = usage.cgroup(128 * MB, self.root)
        assert found is not None
        self.assertEqual(found[1], 64 * MB)

    def test_one_with_more_or_no_limit_is_others_as_well(self) -> None:
        self.write("proc/self/cgroup", "0::/")
        for limit in ("max", str(129 * MB), "0", ""):
            with self.subTest(limit):
                self.version_2(limit=limit)
                self.assertIsNone(usage.cgroup(128 * MB, self.root))

    def test_there_need_be_none(self) -> None:
        self.assertIsNone(usage.cgroup(128 * MB, self.root))


@unittest.skipUnless(sys.platform == "linux", "Linux's /proc is not everywhere")
class ProcessTreeTest(unittest.TestCase):
    def grown_by(self, size: int) -> bool:
        """Whether so many bytes more are in use than before, give or take a tenth."""
        return abs(usage.process_tree() - self.before - size) < size / 10

    def setUp(self) -> None:
        self.before = usage.process_tree()

    def test_what_was_allocated_counts(self) -> None:
        held = bytearray(b"1") * (64 * MB)
        self.assertTrue(self.grown_by(len(held)))

    def test_memory_to_be_shared_counts_once_written(self) -> None:
        with mmap.mmap(-1, 64 * MB) as pages:
            self.assertFalse(self.grown_by(64 * MB))
            pages.write(b"1" * (64 * MB))
            self.assertTrue(self.grown_by(64 * MB))

    def test_pages_of_files_do_not_count(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"1" * (64 * MB))
            file.flush()
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
                self.assertEqual(pages[:: mmap.PAGESIZE].count(b"1"), 64 * MB // mmap.PAGESIZE)
                self.assertLess(usage.process_tree() - self.before, 8 * MB)

    def test_children_count_while_they_live(self) -> None:
        code = f"held = b'1' * {64 * MB}; print('!', flush=True); input()"
        command = [sys.executable, "-c", code]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes) as child:  # type: ignore[call-overload]
            child.stdout.readline()
            self.assertGreater(usage.process_tree() - self.before, 64 * MB)
            child.communicate(b"\n")
        self.assertLess(usage.process_tree() - self.before, 8 * MB)

    def test_psutil_says_no_less(self) -> None:
        self.assertGreaterEqual(usage.psutil_tree()(), usage.process_tree())

    def test_it_is_what_is_found_outside_of_containers(self) -> None:
        self.assertEqual(usage.find_source(1), (usage.process_tree, 1))


class PsutilTest(unittest.TestCase):
    def test_it_is_found_where_the_kernel_tells_nothing(self) -> None:
        self.enterContext(mock.patch.object(usage, "process_tree", return_value=0))
        source, _ = usage.find_source(1)
        self.assertGreaterEqual(source(), psutil.Process().memory_info().rss // 2)

    def test_without_it_the_error_says_how_to_get_it(self) -> None:
        self.enterContext(mock.patch.object(usage, "process_tree", return_value=0))
        self.enterContext(mock.patch.dict(sys.modules, {"psutil": None}))
        with self.assertRaisesRegex(ConfigurationError, "pip install psutil"):
            usage.find_source(1)


if __name__ == "__main__":
    unittest.main()
