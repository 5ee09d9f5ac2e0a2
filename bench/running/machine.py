"""What was measured on: the processor, the kernel, the commit; and huge pages on loan."""
import ctypes
import mmap
import os
import platform
import subprocess
import time

PAGES = "/proc/sys/vm/nr_hugepages"


def lines(path):
    with open(path) as file:
        return file.readlines()


def tsc_hertz():
    """Ticks of the time stamp counter a second; the kernel's own figure where it cannot be read."""
    if platform.machine() == "x86_64":
        try:
            return round(counted_hertz(), -5)
        except (OSError, ValueError):
            pass
    for line in lines("/proc/cpuinfo"):
        if line.startswith("bogomips"):
            return float(line.split(":")[1]) * 1e6 / 2
    return 0.0


def counted_hertz(seconds=0.1):
    # rdtsc; shl rdx, 32; or rax, rdx; ret
    code = bytes.fromhex("0f31" "48c1e220" "4809d0" "c3")
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(code)
        first = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(first))
        ticks, began = read(), time.monotonic()
        time.sleep(seconds)
        rate = (read() - ticks) / (time.monotonic() - began)
        del first
        return rate


def processor_model():
    for line in lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def has_avx512():
    return any(line.startswith("flags") and " avx512f " in line for line in lines("/proc/cpuinfo"))


def last_processor():
    """Where what is measured on one processor runs: not the first, which has the interrupts."""
    return max(os.sched_getaffinity(0))


def meminfo(name):
    for line in lines("/proc/meminfo"):
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def described():
    return {
        "model": processor_model(), "processors": len(os.sched_getaffinity(0)),
        "tscHertz": tsc_hertz(), "kernel": platform.release(),
        "memoryKiB": meminfo("MemTotal"), "hugePages": meminfo("HugePages_Total"),
        "hugePageKiB": meminfo("Hugepagesize"), "load": os.getloadavg()[0],
    }


def revision(root):
    """The commit, and whether the tree differs from it."""
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True,
                              timeout=30, check=False).stdout.strip()
    return {"commit": git("rev-parse", "--short=10", "HEAD") or "unknown",
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


def pages():
    return int(lines(PAGES)[0])


class HugePages:
    """Huge pages of 2 MB, as many as asked for beside those in use, given back at the end."""

    def __init__(self, count):
        self.count, self.added = count, 0

    def __enter__(self):
        before, free = pages(), meminfo("HugePages_Free")
        if free < self.count:
            self.write(before + self.count - free)
            self.added = pages() - before
        return self

    def __exit__(self, *_):
        # What others took or gave back meanwhile stays as they have it.
        if self.added > 0:
            self.write(max(0, pages() - self.added))

    @staticmethod
    def write(count):
        with open(PAGES, "w") as file:
            file.write(str(count))
