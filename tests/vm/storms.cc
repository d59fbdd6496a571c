#include "tests/vm/storms.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <latch>
#include <thread>

namespace katameter::guest {
namespace {

void need(bool done) {
  if (!done) _exit(7);
}

void* end_at_once(void*) {
  return nullptr;
}

// Without a copy of the page tables, which would make up most of its life.
pid_t make_process() {
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  return child;
}

}  // namespace

void burn_in_threads(std::size_t ms, void (*burn)(std::size_t)) {
  std::latch burnt(burning_threads);
  for (std::size_t i = 0; i < burning_threads; ++i) {
    std::thread([&, ms, burn] {
      burn(ms);
      burnt.count_down();
      while (true) pause();
    }).detach();
  }
  burnt.wait();
}

void ping_pong(std::size_t rounds) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  need(pipe(there.data()) == 0 && pipe(back.data()) == 0);
  const pid_t child = fork();
  need(child >= 0);
  char byte = 'x';
  if (child == 0) {
    close(there[1]);
    while (read(there[0], &byte, 1) == 1) need(write(back[1], &byte, 1) == 1);
    _exit(0);
  }
  for (std::size_t i = 0; i < rounds; ++i) {
    need(write(there[1], &byte, 1) == 1);
    need(read(back[0], &byte, 1) == 1);
  }
  for (const int fd : {there[0], there[1], back[0], back[1]}) close(fd);
  need(waitpid(child, nullptr, 0) == child);
}

void make_processes(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) need(waitpid(make_process(), nullptr, 0) > 0);
}

void make_threads(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    pthread_t thread{};
    need(pthread_create(&thread, nullptr, end_at_once, nullptr) == 0);
    need(pthread_join(thread, nullptr) == 0);
  }
}

}  // namespace katameter::guest
