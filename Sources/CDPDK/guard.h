#ifndef APUS_GUARD_H
#define APUS_GUARD_H

/// From here on a guest's memory that its hypervisor cuts short is replaced by empty memory.
void apus_guard_memory(void);

#endif
