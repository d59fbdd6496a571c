#include "guest-probe/commands/container_state.h"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "userspace/fd.h"

using katameter::Fd;
using katameter::Result;
using katameter::guest::container_in_state;
using katameter::guest::read_state;

namespace {

struct Pipe {
  Fd read, write;
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    read = Fd(ends[0]);
    write = Fd(ends[1]);
  }
};

void put(const Fd& fd, const std::string& text) {
  REQUIRE(write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_CASE("The container is named in the outermost object of its state") {
  const Result<std::string> container = container_in_state(
      R"({"ociVersion":"1.0.2","id":"c0ffee","status":"created","pid":7,"annotations":{"id":"other","a":[{"id":1}]}})");
  REQUIRE(container);
  CHECK(*container == "c0ffee");
}

TEST_CASE("What is no container's state has no container") {
  const char* const bad[] = {"",
                             " ",
                             "null",
                             "[]",
                             "{",
                             "{}",
                             "\0",
                             "{\"id\"",
                             "{\"id\": 1}",
                             "\"",
                             "{\"id\":\"\"}",
                             "{\"id\":\"a/b\"}",
                             "{\"id\":\"a\\nb\"}",
                             "{\"annotations\":{\"id\":\"a\"}}"};
  for (const char* text : bad) {
    INFO(text);
    CHECK(!container_in_state(text));
  }
  CHECK(!container_in_state("{\"id\":\"" + std::string(257, 'a') + "\"}"));
  CHECK(!container_in_state(std::string(1'000'000, '[')));
}

TEST_CASE("A state is read to its end, however it comes") {
  Pipe pipe;
  std::thread writer([&] {
    for (const char* part : {"{\"id\"", ":\"abc\"", "}"}) {
      put(pipe.write, part);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    pipe.write.reset();
  });
  const Result<std::string> state = read_state(pipe.read.get(), 1000, 5000);
  writer.join();
  REQUIRE(state);
  CHECK(*state == R"({"id":"abc"})");
}

TEST_CASE("A state without an end is given up") {
  Pipe pipe;
  put(pipe.write, std::string(1001, 'x'));
  const Result<std::string> large = read_state(pipe.read.get(), 1000, 5000);
  REQUIRE(!large);
  CHECK(large.error().text.find("more on stdin") != std::string::npos);

  const auto before = std::chrono::steady_clock::now();
  const Result<std::string> silent = read_state(pipe.read.get(), 1000, 30);
  REQUIRE(!silent);
  CHECK(silent.error().text.find("no end") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(30));
  CHECK(!read_state(-1, 1000, 30));
}
