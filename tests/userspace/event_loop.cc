#include "userspace/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace katameter;

namespace {

Fd make_eventfd(unsigned value) {
  Fd fd(eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK));
  REQUIRE(fd);
  return fd;
}

}  // namespace

TEST_CASE("A callback runs when its descriptor is ready, and may unwatch itself and others") {
  auto loop = EventLoop::create();
  REQUIRE(loop);
  const Fd first = make_eventfd(1);
  const Fd second = make_eventfd(1);
  const Fd last = make_eventfd(0);
  int first_calls = 0;
  int second_calls = 0;
  REQUIRE(loop->watch(first, EPOLLIN, [&](std::uint32_t) {
    ++first_calls;
    loop->unwatch(first);
    loop->unwatch(second);
    const std::uint64_t one = 1;
    REQUIRE(write(last.get(), &one, sizeof(one)) == sizeof(one));
  }));
  REQUIRE(loop->watch(second, EPOLLIN, [&](std::uint32_t) {
    ++second_calls;
    loop->unwatch(second);
  }));
  REQUIRE(loop->watch(last, EPOLLIN, [&](std::uint32_t) { loop->stop(); }));
  REQUIRE(loop->run());
  CHECK(first_calls == 1);
  CHECK(second_calls <= 1);
}

TEST_CASE("Watching what cannot be watched is an error with errno") {
  auto loop = EventLoop::create();
  REQUIRE(loop);
  const Fd closed;
  const Status status = loop->watch(closed, EPOLLIN, [](std::uint32_t) {});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == EBADF);
}
