// usage: microbench KIND ROUNDS
//
// Does one thing over and over and prints how many nanoseconds each took: the hot paths on which a probe may not be felt.
//   switch   two processes hand a byte to and fro: one context switch each
//   spawn    fork, exec of a program that does nothing, its exit, wait
//   fault    the first touch of an anonymous page
//   cgroup   a container's cgroups made and removed, in each hierarchy that has figures of a container

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char* const hierarchies[] = {"cpu,cpuacct", "memory", "pids", "blkio"};
#define CONTAINER "cri-containerd/bebebebebebebebebebebebebebebebebebebebebebebebebebebebebebebebe"

static void fail(const char* what) {
  fprintf(stderr, "microbench: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void hand_over(int from, int to, long rounds) {
  char byte = 0;
  for (long i = 0; i < rounds; ++i) {
    if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1) fail("the other process is gone");
  }
}

static void do_switches(long rounds) {
  int there[2], back[2];
  if (pipe(there) || pipe(back)) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    hand_over(there[0], back[1], rounds / 2);
    _exit(0);
  }
  char byte = 0;
  if (write(there[1], &byte, 1) != 1) fail("write");
  hand_over(back[0], there[1], rounds / 2);
  waitpid(child, NULL, 0);
}

// What was forked from it has this program's few pages to copy; it runs itself with no argument, and ends.
static void do_spawns(long rounds) {
  for (long i = 0; i < rounds; ++i) {
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      execl("/proc/self/exe", "nothing", (char*)NULL);
      _exit(1);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) fail("a child did not do nothing");
  }
}

static void do_faults(long rounds) {
  const size_t page = 4096, pages = 1024;
  for (long done = 0; done < rounds; done += (long)pages) {
    char* memory = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    if (madvise(memory, pages * page, MADV_NOHUGEPAGE)) fail("madvise");
    for (size_t i = 0; i < pages; ++i) memory[i * page] = 1;
    munmap(memory, pages * page);
  }
}

static void do_cgroups(long rounds) {
  char path[256];
  for (long i = 0; i < rounds; ++i) {
    for (size_t h = 0; h < sizeof(hierarchies) / sizeof(*hierarchies); ++h) {
      snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/" CONTAINER, hierarchies[h]);
      if (mkdir(path, 0755)) fail(path);
    }
    for (size_t h = 0; h < sizeof(hierarchies) / sizeof(*hierarchies); ++h) {
      snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/" CONTAINER, hierarchies[h]);
      if (rmdir(path)) fail(path);
    }
  }
}

static long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc == 1) return 0;  // what do_spawns() runs
  const long rounds = argc == 3 ? atol(argv[2]) : 0;
  if (rounds <= 0) {
    fprintf(stderr, "usage: microbench switch|spawn|fault|cgroup ROUNDS\n");
    return 2;
  }
  void (*storm)(long) = strcmp(argv[1], "switch") == 0   ? do_switches
                        : strcmp(argv[1], "spawn") == 0  ? do_spawns
                        : strcmp(argv[1], "fault") == 0  ? do_faults
                        : strcmp(argv[1], "cgroup") == 0 ? do_cgroups
                                                         : NULL;
  if (storm == NULL) {
    fprintf(stderr, "microbench: no kind '%s'\n", argv[1]);
    return 2;
  }
  storm(rounds / 10 + 2);  // what happens the first time only
  const long start = now_ns();
  storm(rounds);
  printf("%.3f\n", (double)(now_ns() - start) / (double)rounds);
  return 0;
}
