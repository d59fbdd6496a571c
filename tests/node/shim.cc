// The process above a sandbox's VMM and virtiofsd. Copied to the file name of Kata's shim and started with the shim's
// arguments, it runs the program that KATAMETER_SHIM_RUNS names, hands on SIGTERM and SIGINT, takes in orphans as a
// subreaper, as the shim does, and ends with that program's status.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace {

volatile sig_atomic_t child = 0;

void pass_on(int signal) {
  if (child > 0) kill(child, signal);
}

}  // namespace

int main() {
  const char* program = std::getenv("KATAMETER_SHIM_RUNS");
  if (program == nullptr) return 2;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const pid_t started = fork();
  if (started < 0) return 3;
  if (started == 0) {
    execl(program, program, static_cast<char*>(nullptr));
    std::perror(program);
    _exit(127);
  }
  child = started;
  struct sigaction action {};
  action.sa_handler = pass_on;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended == started) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (ended < 0 && errno != EINTR) return 3;
  }
}
