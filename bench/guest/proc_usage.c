// usage: proc_usage PID
//
// Prints what a process has used so far, as "CPU_NS WAKEUPS RSS_KB": CPU time by its clock, which is exact where
// /proc/PID/stat counts ticks; how often its threads went to sleep, each of which ended in a wake-up; its RSS as
// its page tables have it, for before 6.2 VmRSS lags behind by up to 64 pages and what their faults mapped beside them.

#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The sum of the lines of a status file that begin with one of the keys.
static unsigned long sum_of(const char* path, const char* const* keys) {
  FILE* file = fopen(path, "r");
  char line[256];
  unsigned long sum = 0;
  while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
    for (const char* const* key = keys; *key != NULL; ++key) {
      const size_t length = strlen(*key);
      if (strncmp(line, *key, length) == 0) sum += strtoul(line + length, NULL, 10);
    }
  }
  if (file != NULL) fclose(file);
  return sum;
}

static unsigned long sleeps_of(const char* pid) {
  static const char* const keys[] = {"voluntary_ctxt_switches:", NULL};
  char path[600];
  snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
  DIR* tasks = opendir(path);
  unsigned long sum = 0;
  for (struct dirent* entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof(path), "/proc/%.20s/task/%s/status", pid, entry->d_name);
    sum += sum_of(path, keys);
  }
  if (tasks != NULL) closedir(tasks);
  return sum;
}

int main(int argc, char** argv) {
  static const char* const resident[] = {"Rss:", NULL};
  clockid_t clock;
  struct timespec time;
  if (argc != 2 || clock_getcpuclockid(atoi(argv[1]), &clock) != 0 || clock_gettime(clock, &time) != 0) {
    fprintf(stderr, "proc_usage: no such process\n");
    return 1;
  }
  char path[64];
  snprintf(path, sizeof(path), "/proc/%.20s/smaps_rollup", argv[1]);
  printf("%lld %lu %lu\n", (long long)time.tv_sec * 1000000000LL + time.tv_nsec, sleeps_of(argv[1]),
         sum_of(path, resident));
  return 0;
}
