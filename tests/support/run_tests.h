#pragma once

namespace katameter::testing {

/// Catch2's main(): the exit status of the program.
int run_tests(int argc, char** argv);

}  // namespace katameter::testing
