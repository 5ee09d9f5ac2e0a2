#pragma once

/// A file in memory (memfd_create(2)), which may be sealed; -1 when there is none to be had.
int apus_memory_file(void);
