// usage: poller PERIOD_MS [TIMES] <LIST-OF-FILES
//
// The cheapest that a reader of cgroup files can be: all stay open, each is read by one pread() into the same buffer every
// PERIOD_MS, or at once on SIGUSR1, and what was read is not even looked at. TIMES: as if there were so many
// of each file. Says "ready FILES" on stdout.

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

static void interrupt(int signal_number) {
  (void)signal_number;
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
    // A thread may have ended.
    if (pread(files[i], text, sizeof(text), 0) < 0 && errno != ESRCH) {
      fprintf(stderr, "poller: cannot read file %zu: %s\n", i, strerror(errno));
      exit(1);
    }
  }
}

int main(int argc, char** argv) {
  const long period_ms = argc > 1 ? atol(argv[1]) : 0;
  const int times = argc > 2 ? atoi(argv[2]) : 1;
  if (period_ms <= 0) {
    fprintf(stderr, "usage: poller PERIOD_MS [TIMES] <LIST-OF-FILES\n");
    return 2;
  }
  // As many as may be; root may have more than its limit says.
  const struct rlimit many = {1000000, 1000000};
  struct rlimit most;
  if (setrlimit(RLIMIT_NOFILE, &many) && !getrlimit(RLIMIT_NOFILE, &most)) {
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
  }
  open_files();
  // No SA_RESTART: the read of the timer has to end with it.
  const struct sigaction action = {.sa_handler = interrupt};
  sigaction(SIGUSR1, &action, NULL);

  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const struct timespec period = {period_ms / 1000, period_ms % 1000 * 1000000};
  const struct itimerspec timing = {period, period};
  timerfd_settime(timer, 0, &timing, NULL);
  read_files();
  printf("ready %zu\n", count);
  fflush(stdout);
  for (;;) {
    unsigned long long ticks = 0;
    if (read(timer, &ticks, sizeof(ticks)) < 0 && errno != EINTR) return 1;
    for (int i = 0; i < times; ++i) read_files();
  }
}
