#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include "userspace/log.h"

// Of all test programs: Catch2's own part takes long to compile.
int main(int argc, char** argv) {
  // What the code under test logs is not what a test run is about.
  katameter::start_log(katameter::LogLevel::error);
  return Catch::Session().run(argc, argv);
}
