// What a process gives up once it has opened all that it needs. Nothing of it can be taken back.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// What stays allowed.
typedef struct {
  /// Capabilities to keep, a bit for each number of capability.h; 0 gives up all.
  uint64_t capabilities;
  /// Local sockets may still be connected: guests' hypervisors or their broker come and go.
  bool connects_locally;
  /// Packet sockets may still be opened: a guest's tap that its hypervisor made anew.
  bool opens_packet_sockets;
  /// Directories in which files may still be written, ended by NULL.
  const char *const *writable;
} apus_confinement;

/// Which step of `apus_confine` failed.
enum {
  APUS_CONFINE_CORE = 1,
  APUS_CONFINE_THREADS,
  APUS_CONFINE_CAPABILITIES,
  APUS_CONFINE_LANDLOCK,
  APUS_CONFINE_SECCOMP,
};

/// Confines every thread of the process, and all that they start.
///
/// - No core dumps, and not to be traced by others (setrlimit(2), prctl(2) PR_SET_DUMPABLE).
/// - Capabilities are given up in all sets and in the bounding set (capabilities(7)).
/// - Where the kernel has Landlock, nothing is executed, and files are written, made and removed
///   only below `writable` (landlock(7)).
/// - seccomp(2) refuses with EPERM: programs to start, other processes to look into, sockets other
///   than local ones (and packet sockets, where asked for), `connect` unless `connects_locally`,
///   namespaces, mounts, modules, BPF, kernel keys.
///
/// Returns 0, or the number of the error with the step in `step`. `landlock` gets the ABI version
/// that was used, 0 where the kernel has none.
int apus_confine(const apus_confinement *confinement, int *step, int *landlock);

/// Starts a process that can start one program, for this one when it may not any more.
///
/// `arguments` ends with NULL; the first is the program's path. What is asked later cannot change
/// them. Returns the descriptor to ask by, or the negative number of the error. The process ends
/// when that is closed.
int apus_launcher_start(char *const arguments[]);

/// Has the launcher start its program in a session of its own, with no signal blocked or ignored,
/// standard input from /dev/null, standard output to a pipe, and no other descriptor but standard
/// error.
///
/// `output` gets the pipe's reading end. Returns the process's id, or the negative number of the
/// error.
int apus_launcher_spawn(int launcher, int *output);
