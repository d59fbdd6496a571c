#include "userspace/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

using namespace katameter;

namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  Fd reader;
  Fd writer;
};

}  // namespace

TEST_CASE("A child keeps what it is to keep, and nothing else that it inherited") {
  Pipe lower;
  Pipe kept;
  Pipe between;
  Pipe end;  // the child lives until it is closed here
  Pipe upper;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close_all_but({end.reader.get(), kept.writer.get()});
    char byte = 0;
    const ssize_t got = read(end.reader.get(), &byte, 1);
    _exit(got == 0 && write(kept.writer.get(), "k", 1) == 1 ? 0 : 1);
  }
  for (Pipe* inherited : {&lower, &between, &upper}) {
    inherited->writer.reset();
    pollfd hung_up{inherited->reader.get(), POLLIN, 0};
    CHECK(poll(&hung_up, 1, 60'000) == 1);
  }
  end.writer.reset();
  char byte = 0;
  CHECK(read(kept.reader.get(), &byte, 1) == 1);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
