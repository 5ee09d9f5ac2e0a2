// What a process gives up once it has opened all that it needs. Nothing of it can be taken back.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What stays allowed.
typedef struct {
  /// Capabilities to keep, a bit for each number of capability.h; 0 gives up all.
  uint64_t capabilities;
  /// Local sockets may still be connected: guests' hypervisors or their broker come and go.
  bool connects_locally;
  /// Packet sockets may still be opened: a guest's tap that its hypervisor made anew.
  bool opens_packet_sockets;
  /// Interfaces and their filters may still be set: netlink sockets and bpf(2).
  bool sets_interfaces;
  /// Directories in which files may still be written, and files, ended by NULL.
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
///   namespaces, mounts, modules, BPF unless `sets_interfaces`, kernel keys.
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

/// Starts a process, a copy of this one, that does one thing for it when it may not any more.
///
/// To be called while this process has one thread. The copy has a session of its own, all signals
/// blocked, and no descriptors but standard error and `socket`, a SOCK_SEQPACKET pair's end whose
/// other one is returned. It ends when `serve` returns, which should be when `socket` is closed.
/// Returns the descriptor, or the negative number of the error.
int apus_helper_start(const char *name, void (*serve)(int socket, void *context), void *context);

/// The most descriptors that go with a message to or from a helper.
enum { APUS_HELPER_DESCRIPTORS = 64 };

/// Sends one message, and descriptors with it. Returns 0, or the negative number of the error.
int apus_helper_send(
    int socket, const void *bytes, size_t size, const int *descriptors, size_t count);

/// Waits for one message; `descriptors` has room for APUS_HELPER_DESCRIPTORS, which are made
/// close-on-exec, and their number is put in `count`.
///
/// `milliseconds` is the longest wait, -1 for none. Returns the message's bytes, 0 at the end, or the
/// negative number of the error (EAGAIN when the time is over).
ssize_t apus_helper_receive(
    int socket, void *bytes, size_t size, int *descriptors, size_t *count, int milliseconds);
