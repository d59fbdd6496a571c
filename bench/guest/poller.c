// usage: poller PERIOD_MS <LIST-OF-FILES
//
// The cheapest that a reader of cgroup files can be: all stay open, each is read by one pread() into the same buffer every
// PERIOD_MS, and what was read is not even looked at. Says "ready FILES" on stdout, and on SIGTERM how often it has read
// them all.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal_number) {
  (void)signal_number;
  ended = 1;
}

static int* files;
static size_t count;

static void open_files(void) {
  static char line[4096];
  while (fgets(line, sizeof(line), stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (count % 1024 == 0) files = realloc(files, (count + 1024) * sizeof(*files));
    files[count] = open(line, O_RDONLY | O_CLOEXEC);
    if (files[count] < 0) {
      fprintf(stderr, "poller: cannot open %s: %s\n", line, strerror(errno));
      exit(1);
    }
    ++count;
  }
}

static void read_files(void) {
  static char text[16384];
  for (size_t i = 0; i < count; ++i) {
    if (pread(files[i], text, sizeof(text), 0) < 0) {
      fprintf(stderr, "poller: cannot read file %zu: %s\n", i, strerror(errno));
      exit(1);
    }
  }
}

int main(int argc, char** argv) {
  const long period_ms = argc == 2 ? atol(argv[1]) : 0;
  if (period_ms <= 0) {
    fprintf(stderr, "usage: poller PERIOD_MS <LIST-OF-FILES\n");
    return 2;
  }
  const struct rlimit many = {1000000, 1000000};
  if (setrlimit(RLIMIT_NOFILE, &many)) {
    fprintf(stderr, "poller: cannot open many files: %s\n", strerror(errno));
    return 1;
  }
  open_files();
  // No SA_RESTART: the read of the timer has to end with it.
  const struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);

  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const struct timespec period = {period_ms / 1000, period_ms % 1000 * 1000000};
  const struct itimerspec times = {period, period};
  timerfd_settime(timer, 0, &times, NULL);
  read_files();
  printf("ready %zu\n", count);
  fflush(stdout);
  unsigned long rounds = 1;
  while (!ended) {
    unsigned long long ticks = 0;
    if (read(timer, &ticks, sizeof(ticks)) != sizeof(ticks)) continue;
    read_files();
    ++rounds;
  }
  printf("rounds %lu\n", rounds);
  return 0;
}
