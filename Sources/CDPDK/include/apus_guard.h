// What guests' hypervisors can do to who shares memory and events with them, and may not.
#ifndef APUS_GUARD_H
#define APUS_GUARD_H

#include <sys/eventfd.h>

/// From here on a guest's memory that its hypervisor cuts short is replaced by empty memory, and a
/// guest's event that is full holds up nobody who signals it with `eventfd_write`.
void apus_guard_memory(void);

#endif
