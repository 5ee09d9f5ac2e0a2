// Unix sockets that carry file descriptors, and event descriptors: what Swift cannot say itself
// (control messages of recvmsg(2) are macros, and fcntl(2) has a variable argument).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// The most descriptors taken with one call of `apus_receive`: two more than any message may have,
/// so that a surplus is seen.
enum { apus_descriptor_limit = 10 };

/// Opens a non-blocking, close-on-exec stream socket connected to the Unix socket at `path`.
/// Returns -1 with errno: ENAMETOOLONG for a path that does not fit, else as connect(2).
int apus_unix_connect(const char *path);

/// Opens a non-blocking, close-on-exec Unix socket that listens at `path`.
/// Returns -1 with errno: EADDRINUSE when something is at `path`, ENAMETOOLONG, else as bind(2).
int apus_unix_listen(const char *path, int backlog);

/// Accepts a connection, non-blocking and close-on-exec; -1 with errno as accept4(2).
int apus_unix_accept(int socket);

/// Receives what is there, at most `size` bytes, without blocking. Descriptors that came with it
/// (at most `apus_descriptor_limit`) are added to `descriptors`, close-on-exec, their number to
/// `*count`; `*truncated` is 1 when more came than fit (the kernel has closed those).
/// Returns as recvmsg(2): 0 at the end of the stream, -1 with errno.
ssize_t apus_receive(int socket, void *buffer, size_t size, int *descriptors, size_t *count,
                     int *truncated);

/// Sends at most `size` bytes without blocking and without SIGPIPE; `count` descriptors (at most
/// `apus_descriptor_limit`) go with the first byte. Returns as sendmsg(2).
ssize_t apus_send(int socket, const void *buffer, size_t size, const int *descriptors,
                  size_t count);

/// Opens an event descriptor, non-blocking and close-on-exec; -1 with errno.
int apus_event_open(void);

/// Adds 1 to an event descriptor, which is made non-blocking first: a full counter is left alone.
/// Returns 0, or -1 with errno.
int apus_event_signal(int descriptor);

/// Makes a descriptor's reads and writes non-blocking. Returns 0, or -1 with errno.
int apus_make_nonblocking(int descriptor);

/// Forbids for good that a memory file shrinks (F_SEAL_SHRINK). Returns 0 when it is so, -1 with
/// errno when the file cannot be sealed.
int apus_seal_size(int descriptor);
