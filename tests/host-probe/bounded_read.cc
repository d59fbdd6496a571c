#include "host-probe/bounded_read.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <future>

#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace std::chrono_literals;

TEST_CASE("a file that answers is read as ever") {
  const katameter::testing::TemporaryDirectory folder;
  std::ofstream(folder.path() / "file") << "0123456789";
  CHECK(*read_file_within(10s, folder.path() / "file", 100) == "0123456789");
  CHECK(*read_file_within(10s, folder.path() / "file", 4) == "0123");
  CHECK(read_file_within(10s, folder.path() / "none", 4).error().code == ENOENT);
}

TEST_CASE("a file that does not answer keeps nobody waiting, and takes no more than so many threads") {
  std::promise<void> answered;
  const std::shared_future<void> answer = answered.get_future().share();
  const auto hangs = [answer]() -> Result<std::string> {
    answer.wait();
    return std::string("late");
  };
  for (int i = 0; i < max_left_behind; ++i) {
    const auto text = read_within(1ms, "it", hangs);
    REQUIRE_FALSE(text);
    CHECK(text.error().code == ETIMEDOUT);
    CHECK_THAT(text.error().text, Catch::Contains("it does not answer"));
  }
  const auto refused = read_within(1h, "it", hangs);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EBUSY);

  // When they return there is room again.
  answered.set_value();
  const auto end = std::chrono::steady_clock::now() + 1min;
  bool reads = false;
  while (!reads && std::chrono::steady_clock::now() < end) reads = read_within(10s, "it", hangs).has_value();
  CHECK(reads);
}
