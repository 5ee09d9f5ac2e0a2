#define _GNU_SOURCE
#include "CConfinement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Capabilities and Landlock domains belong to threads. Each thread gives up its own in a handler of
// SIGSYS, the one signal that neither glibc nor libdispatch's threads keep blocked and that nothing
// else here raises: libpsx does the same.

/// Threads that a process has at most here.
enum { MOST_THREADS = 1024, ROUNDS = 2000 };

static struct {
  uint64_t capabilities;
  int ruleset;
  atomic_int failure;
  atomic_int failed_step;
  atomic_int done_count;
  atomic_int done[MOST_THREADS];
} request;

static int drop_capabilities(uint64_t kept) {
  for (int capability = 0; capability <= 63; capability++) {
    if (kept >> capability & 1) continue;
    // EINVAL: beyond the last one that the kernel knows; EPERM: without CAP_SETPCAP there is nothing
    // that could be gained by starting a program either (no_new_privs).
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EINVAL) break;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets) != 0) return errno;
  for (int half = 0; half < 2; half++) {
    uint32_t mask = (uint32_t)(kept >> (32 * half));
    sets[half].effective &= mask;
    sets[half].permitted &= mask;
    sets[half].inheritable = 0;
  }
  return syscall(SYS_capset, &header, sets) == 0 ? 0 : errno;
}

static void fail(int step, int error) {
  int none = 0;
  if (atomic_compare_exchange_strong(&request.failure, &none, error))
    atomic_store(&request.failed_step, step);
}

/// What every thread does for itself.
static void confine_thread(void) {
  int error = 0;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(APUS_CONFINE_THREADS, errno);
  // Before the capabilities go: Landlock needs none with no_new_privs, but order costs nothing.
  if (request.ruleset >= 0 && syscall(SYS_landlock_restrict_self, request.ruleset, 0) != 0)
    fail(APUS_CONFINE_LANDLOCK, errno);
  if ((error = drop_capabilities(request.capabilities)) != 0)
    fail(APUS_CONFINE_CAPABILITIES, error);
  int place = atomic_fetch_add(&request.done_count, 1);
  if (place < MOST_THREADS) atomic_store(&request.done[place], (int)syscall(SYS_gettid));
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  int saved = errno;
  // Only from this process itself.
  if (info->si_code == SI_TKILL && info->si_pid == getpid()) confine_thread();
  errno = saved;
}

static bool is_done(int thread) {
  int count = atomic_load(&request.done_count);
  for (int place = 0; place < count && place < MOST_THREADS; place++)
    if (atomic_load(&request.done[place]) == thread) return true;
  return false;
}

/// Asks every thread that has not answered yet; returns how many there were, -1 on failure.
static int ask_others(const int *asked_before, int asked_count, int *asked) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -1;
  int open = 0;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    int thread = atoi(entry->d_name);
    if (thread <= 0 || is_done(thread)) continue;
    bool was_asked = false;
    for (int place = 0; place < asked_count; place++) was_asked |= asked_before[place] == thread;
    if (open < MOST_THREADS) asked[open++] = thread;
    if (!was_asked) syscall(SYS_tgkill, getpid(), thread, SIGSYS);
  }
  closedir(tasks);
  return open;
}

static int confine_threads(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART}, before;
  sigfillset(&action.sa_mask);
  if (sigaction(SIGSYS, &action, &before) != 0) return errno;
  confine_thread();
  static int asked[2][MOST_THREADS];
  int count = 0, result = EAGAIN;
  for (int round = 0; round < ROUNDS; round++) {
    int open = ask_others(asked[round & 1], count, asked[(round + 1) & 1]);
    if (open <= 0) {
      result = open == 0 ? 0 : errno;
      break;
    }
    count = open;
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
  }
  sigaction(SIGSYS, &before, NULL);
  return result;
}

// MARK: Landlock

static const uint64_t writing =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;

/// A descriptor of the ruleset, -1 where the kernel has no Landlock, less on failure.
static int make_ruleset(const char *const *writable, int *version) {
  *version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (*version <= 0) {
    *version = 0;
    return -1;
  }
  struct landlock_ruleset_attr attributes = {
      .handled_access_fs = writing | LANDLOCK_ACCESS_FS_EXECUTE,
  };
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0) return -1 - errno;
  for (; writable != NULL && *writable != NULL; writable++) {
    struct landlock_path_beneath_attr rule = {
        .allowed_access = writing, .parent_fd = open(*writable, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0) continue;
    struct stat status;
    // A file has no other rights.
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
      rule.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE;
    int result = (int)syscall(
        SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int error = errno;
    close(rule.parent_fd);
    if (result != 0) {
      close(ruleset);
      return -1 - error;
    }
  }
  return ruleset;
}

// MARK: seccomp

static const int refused[] = {
    SCMP_SYS(execve),          SCMP_SYS(execveat),      SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(unshare),         SCMP_SYS(setns),         SCMP_SYS(mount),
    SCMP_SYS(umount2),         SCMP_SYS(pivot_root),    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),      SCMP_SYS(open_tree),     SCMP_SYS(fsopen),
    SCMP_SYS(init_module),     SCMP_SYS(finit_module),  SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),      SCMP_SYS(kexec_file_load), SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),   SCMP_SYS(io_uring_setup),
    SCMP_SYS(add_key),         SCMP_SYS(request_key),   SCMP_SYS(keyctl),
    SCMP_SYS(reboot),          SCMP_SYS(swapon),        SCMP_SYS(swapoff),
    SCMP_SYS(acct),            SCMP_SYS(quotactl),      SCMP_SYS(iopl),
    SCMP_SYS(ioperm),          SCMP_SYS(setuid),        SCMP_SYS(setgid),
    SCMP_SYS(setreuid),        SCMP_SYS(setregid),      SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),       SCMP_SYS(setgroups),
};

/// Refuses sockets of every kind but local ones and, where they are kept, packet sockets: without a
/// socket of another kind there is nothing to reach others with.
static int refuse_sockets(
    scmp_filter_ctx filter, uint32_t refuse, bool keeps_packets, bool keeps_netlink) {
  int result = 0;
  for (int family = 0; family < AF_MAX && result == 0; family++) {
    if (family == AF_UNIX || (keeps_packets && family == AF_PACKET) ||
        (keeps_netlink && family == AF_NETLINK))
      continue;
    result = seccomp_rule_add(
        filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
  }
  if (result != 0) return result;
  return seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GE, AF_MAX));
}

static int load_filter(const apus_confinement *confinement) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == NULL) return ENOMEM;
  uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  for (size_t i = 0; i < sizeof refused / sizeof refused[0] && result == 0; i++)
    if (refused[i] != SCMP_SYS(bpf) || !confinement->sets_interfaces)
      result = seccomp_rule_add(filter, refuse, refused[i], 0);
  if (result == 0)
    result = refuse_sockets(
        filter, refuse, confinement->opens_packet_sockets, confinement->sets_interfaces);
  if (result == 0 && !confinement->connects_locally)
    result = seccomp_rule_add(filter, refuse, SCMP_SYS(connect), 0);
  if (result == 0) result = seccomp_load(filter);
  seccomp_release(filter);
  return -result;
}

int apus_confine(const apus_confinement *confinement, int *step, int *landlock) {
  *step = APUS_CONFINE_CORE;
  struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
  *step = APUS_CONFINE_LANDLOCK;
  int ruleset = make_ruleset(confinement->writable, landlock);
  if (ruleset < -1) return -1 - ruleset;
  *step = APUS_CONFINE_THREADS;
  request.capabilities = confinement->capabilities;
  request.ruleset = ruleset;
  int result = confine_threads();
  if (ruleset >= 0) close(ruleset);
  if (result != 0) return result;
  if ((result = atomic_load(&request.failure)) != 0) {
    *step = atomic_load(&request.failed_step);
    return result;
  }
  *step = APUS_CONFINE_SECCOMP;
  return load_filter(confinement);
}
