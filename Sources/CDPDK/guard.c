// What guests' hypervisors can do to who shares memory and events with them, and may not: end the
// process, or hold up one of its threads.
#define _GNU_SOURCE
#include "apus_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// MARK: Memory that is cut short

// A file of guest memory that cannot be sealed may shrink under its mapping; whoever touches the
// lost pages gets SIGBUS. The mapping is replaced by empty memory of this process: the guest has
// lost its rings, and nobody else notices.

static struct sigaction earlier;

/// What is read to have events signalled (below): /dev/null, open as long as the process lives.
static int nothing = -1;

/// Ends what a thread has for signals of the kernel (below) when the thread ends.
static pthread_key_t at_end;
static bool has_end;
static void end_operations(void *context);

/// Reads a hexadecimal number, up to `stop`; false where there is none.
static bool read_hex(const char **text, char stop, uintptr_t *number) {
  *number = 0;
  const char *at = *text;
  for (; *at != stop; at++) {
    int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;
    if (digit < 0) return false;
    *number = *number << 4 | (uintptr_t)digit;
  }
  *text = at + 1;
  return true;
}

/// The bounds of the shared mapping that a line of /proc/self/maps is about, if it holds `address`.
static bool is_shared_mapping(const char *line, uintptr_t address, uintptr_t *start, uintptr_t *end) {
  return read_hex(&line, '-', start) && read_hex(&line, ' ', end) && address >= *start &&
         address < *end && strnlen(line, 4) == 4 && line[3] == 's';
}

/// Finds the shared mapping of an address. In a signal handler: no memory but the stack's.
static bool find_mapping(uintptr_t address, uintptr_t *start, uintptr_t *end) {
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  // Of each line only the beginning is kept, which has bounds and permissions.
  char line[64];
  char bytes[512];
  size_t length = 0;
  bool found = false;
  for (ssize_t count; !found && (count = read(maps, bytes, sizeof bytes)) > 0;) {
    for (ssize_t i = 0; i < count && !found; i++) {
      if (bytes[i] != '\n') {
        if (length < sizeof line - 1) line[length++] = bytes[i];
        continue;
      }
      line[length] = 0;
      length = 0;
      found = is_shared_mapping(line, address, start, end);
    }
  }
  close(maps);
  return found;
}

static void replace_lost_memory(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  static const char said[] = "a guest's memory was cut short: its rings are lost\n";
  int error = errno;
  uintptr_t start, end;
  if (info->si_code == BUS_ADRERR && find_mapping((uintptr_t)info->si_addr, &start, &end) &&
      mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED) {
    if (write(STDERR_FILENO, said, sizeof said - 1) < 0) error = errno;
  } else {
    // Not this; the instruction faults again, and who was there before handles it.
    sigaction(SIGBUS, &earlier, NULL);
  }
  errno = error;
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = replace_lost_memory,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &earlier);
  nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  has_end = pthread_key_create(&at_end, end_operations) == 0;
}

void apus_guard_memory(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}

// MARK: Events that are full

// A guest's event that is full blocks its writer, unless the file is non-blocking; and that is of
// the file, so the hypervisor may change it at any time, even between a look and the write. Signals
// of the kernel itself never block: that of a finished asynchronous operation, here an empty read.

enum { OPERATIONS = 64 };

/// What a thread needs to have the kernel signal events; none where it has no such operations.
static _Thread_local struct {
  aio_context_t context;
  unsigned started;
  enum { UNKNOWN, READY, MISSING } state;
} operations;

// The kernel keeps it when the thread ends, and has few for all processes (fs.aio-max-nr).
static void end_operations(void *context) {
  syscall(SYS_io_destroy, (aio_context_t)context);
  operations.state = MISSING;
}

static bool are_ready(void) {
  if (operations.state == UNKNOWN) {
    bool is_made = nothing >= 0 && has_end &&
                   syscall(SYS_io_setup, 2 * OPERATIONS, &operations.context) == 0;
    if (is_made && pthread_setspecific(at_end, (void *)operations.context) != 0) {
      end_operations((void *)operations.context);
      is_made = false;
    }
    operations.state = is_made ? READY : MISSING;
  }
  return operations.state == READY;
}

static int signal_by_kernel(int event) {
  struct iocb read_nothing = {.aio_lio_opcode = IOCB_CMD_PREAD,
                              .aio_fildes = (uint32_t)nothing,
                              .aio_flags = IOCB_FLAG_RESFD,
                              .aio_resfd = (uint32_t)event};
  struct iocb *list[] = {&read_nothing};
  if (syscall(SYS_io_submit, operations.context, 1, list) != 1) return -1;
  if (++operations.started % OPERATIONS == 0) {
    struct io_event done[OPERATIONS];
    struct timespec now = {0};
    syscall(SYS_io_getevents, operations.context, 0, OPERATIONS, done, &now);
  }
  return 0;
}

/// In place of the C library's, for rte_vhost, which signals a guest's events with it.
__attribute__((visibility("default"))) int eventfd_write(int event, eventfd_t value) {
  if (value == 1 && are_ready() && signal_by_kernel(event) == 0) return 0;
  int flags = fcntl(event, F_GETFL);
  if (flags < 0 || fcntl(event, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
  return write(event, &value, sizeof value) == sizeof value ? 0 : -1;
}
