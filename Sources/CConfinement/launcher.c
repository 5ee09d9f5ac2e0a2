#define _GNU_SOURCE
#include "CConfinement.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(char *const arguments[], int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  pid_t child = 0;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  // What this process inherited must not stay open for the life of the other one.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int result = posix_spawn(&child, arguments[0], &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return result == 0 ? child : -result;
}

/// Takes one request: a byte, and with it the descriptor for the program's output. 0 at the end.
static ssize_t take(int socket, int *output) {
  char byte;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *output = -1;
  ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (count > 0 && header != NULL && header->cmsg_type == SCM_RIGHTS)
    memcpy(output, CMSG_DATA(header), sizeof *output);
  return count;
}

static void serve(int socket, void *arguments) {
  // Programs that end are forgotten by the kernel.
  struct sigaction ignore = {.sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &ignore, NULL);
  for (;;) {
    int output;
    ssize_t count = take(socket, &output);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    int answer = output < 0 ? -EINVAL : spawn(arguments, output);
    if (output >= 0) close(output);
    if (send(socket, &answer, sizeof answer, MSG_NOSIGNAL) < 0) return;
  }
}

int apus_launcher_start(char *const arguments[]) {
  return apus_helper_start("apus-launcher", serve, (void *)arguments);
}

int apus_launcher_spawn(int launcher, int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
  char byte = 0;
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  int answer = -EPIPE;
  if (sendmsg(launcher, &message, MSG_NOSIGNAL) < 0)
    answer = -errno;
  else if (recv(launcher, &answer, sizeof answer, 0) != sizeof answer)
    answer = -EPIPE;
  close(ends[1]);
  if (answer < 0)
    close(ends[0]);
  else
    *output = ends[0];
  return answer;
}
