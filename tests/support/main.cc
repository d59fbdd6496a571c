#include "tests/support/run_tests.h"
#include "userspace/log.h"

int main(int argc, char** argv) {
  // What the code under test logs is not what a test run is about.
  katameter::start_log(katameter::LogLevel::error);
  return katameter::testing::run_tests(argc, argv);
}
