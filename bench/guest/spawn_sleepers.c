// usage: spawn_sleepers PROCESSES CGROUP.PROCS...
//
// Keeps a number of sleeping processes, shared out over the cgroups whose cgroup.procs files are named (several of one
// container are joined by a colon). Says "ready" on stdout; all end with it.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// The process that calls is moved.
static void join(char* files) {
  for (char* file = strtok(files, ":"); file != NULL; file = strtok(NULL, ":")) {
    const int fd = open(file, O_WRONLY);
    if (fd < 0 || write(fd, "0", 1) != 1) {
      perror(file);
      exit(1);
    }
    close(fd);
  }
}

int main(int argc, char** argv) {
  const int processes = argc > 2 ? atoi(argv[1]) : 0;
  const int cgroups = argc - 2;
  if (processes <= 0) {
    fprintf(stderr, "usage: spawn_sleepers PROCESSES CGROUP.PROCS...\n");
    return 2;
  }
  const pid_t parent = getpid();
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) {
      perror("spawn_sleepers: fork");
      return 1;
    }
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
      join(argv[2 + i % cgroups]);
      for (;;) pause();
    }
  }
  printf("ready\n");
  fflush(stdout);
  pause();
  return 0;
}
