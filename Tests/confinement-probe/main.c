// Confines itself as the daemon does, and says what it may still do.
//
//   confinement-probe WRITABLE-FOLDER OTHER-FOLDER [connects] [packets]
//
// Prints `THREAD WHAT RESULT` for each attempt: `ok`, or the name of the error. Threads are the one that
// asked, and one that ran before with nearly every signal blocked, as libdispatch's do.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CConfinement.h"

static const char *thread_name, *writable, *other;
static pthread_barrier_t confined;

static void say(const char *what, long result) {
  printf("%s %s %s\n", thread_name, what, result >= 0 ? "ok" : strerrorname_np(errno));
  fflush(stdout);
}

static long create(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/file-%d", folder, (int)syscall(SYS_gettid));
  return open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
}

static long connect_locally(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/nobody", writable);
  return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

static long effective(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2];
  syscall(SYS_capget, &header, sets);
  printf("%s capabilities %x%08x\n", thread_name, sets[1].permitted, sets[0].permitted);
  return 0;
}

static void attempt(void) {
  char *arguments[] = {"/bin/true", NULL};
  effective();
  say("execve", execv("/bin/true", arguments));
  say("internet-socket", socket(AF_INET, SOCK_STREAM, 0));
  say("netlink-socket", socket(AF_NETLINK, SOCK_RAW, 0));
  say("packet-socket", socket(AF_PACKET, SOCK_RAW, 0));
  say("local-socket", socket(AF_UNIX, SOCK_STREAM, 0));
  say("connect", connect_locally());
  say("ptrace", ptrace(PTRACE_ATTACH, getppid(), 0, 0));
  say("unshare", unshare(CLONE_NEWNET));
  say("bpf", syscall(SYS_bpf, 0, NULL, 0));
  say("write-inside", create(writable));
  say("write-outside", create(other));
  say("read", open("/proc/self/status", O_RDONLY));
  say("privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1);
}

static void *run(void *unused) {
  (void)unused;
  sigset_t most;
  sigfillset(&most);
  sigdelset(&most, SIGSYS);
  pthread_sigmask(SIG_BLOCK, &most, NULL);
  pthread_barrier_wait(&confined);
  pthread_barrier_wait(&confined);
  thread_name = "other";
  attempt();
  return NULL;
}

int main(int count, char **words) {
  if (count < 3) return 2;
  writable = words[1];
  other = words[2];
  apus_confinement wanted = {.writable = (const char *const[]){writable, NULL}};
  for (int i = 3; i < count; i++) {
    if (strcmp(words[i], "connects") == 0) wanted.connects_locally = true;
    if (strcmp(words[i], "packets") == 0) {
      wanted.opens_packet_sockets = true;
      wanted.capabilities = 1ULL << CAP_NET_RAW;
    }
  }
  pthread_t thread;
  pthread_barrier_init(&confined, NULL, 2);
  pthread_create(&thread, NULL, run, NULL);
  pthread_barrier_wait(&confined);
  int step = 0, landlock = 0, result = apus_confine(&wanted, &step, &landlock);
  printf("confined %d step %d landlock %d\n", result, step, landlock);
  struct rlimit core;
  getrlimit(RLIMIT_CORE, &core);
  printf("core %ld dumpable %d\n", (long)core.rlim_cur, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  thread_name = "first";
  if (result == 0) attempt();
  pthread_barrier_wait(&confined);
  if (result == 0) pthread_join(thread, NULL);
  return result == 0 ? 0 : 1;
}
