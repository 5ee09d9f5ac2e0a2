"""Huge pages for scripts/soak, as many as it needs, and as before afterwards."""
NUMBER = "/proc/sys/vm/nr_hugepages"
NEEDED = 192  # Of 2 MB: the daemon's 256 MB, and room that is seen to stay free.


def read(name):
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


class HugePages:
    """Reserves pages when entered; `are_there` says whether there are enough, `told` why not."""

    def __init__(self, choice):
        self.is_wanted = choice is not False
        self.are_there = False
        self.told = "huge pages: not used"
        self.added = 0

    def __enter__(self):
        if not self.is_wanted:
            return self
        if read("Hugepagesize") != 2048:
            self.told = "huge pages: not used, those of this kernel are not of 2 MB"
            return self
        lacking = NEEDED - read("HugePages_Free")
        if lacking > 0:
            try:
                self.add(lacking)
            except OSError as why:
                self.told = f"huge pages: not used, they cannot be reserved: {why}"
                return self
        self.are_there = read("HugePages_Free") >= NEEDED
        if self.are_there:
            self.told = f"huge pages: {NEEDED} of 2 MB"
        else:
            self.told = f"huge pages: not used, {read('HugePages_Free')} of {NEEDED} can be had"
            self.put_back()
        return self

    def __exit__(self, *_):
        self.put_back()

    def add(self, number):
        """Relative, so that two that run at once do not take each other's."""
        with open(NUMBER) as file:
            before = int(file.read())
        with open(NUMBER, "w") as file:
            file.write(str(max(0, before + number)))
        with open(NUMBER) as file:
            self.added += int(file.read()) - before

    def put_back(self):
        if self.added:
            self.add(-self.added)
            self.added = 0
