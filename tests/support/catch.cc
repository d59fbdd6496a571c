#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include "tests/support/run_tests.h"

// Of all test programs: Catch2's own part takes long to compile. Without a main(), since bench has its own.
int katameter::testing::run_tests(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}
