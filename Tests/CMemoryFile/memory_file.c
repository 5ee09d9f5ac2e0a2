#define _GNU_SOURCE
#include "memory_file.h"

#include <sys/mman.h>

int apus_memory_file(void) { return memfd_create("fuzzed", MFD_CLOEXEC | MFD_ALLOW_SEALING); }
