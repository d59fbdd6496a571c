#pragma once

#include <string>

namespace katameter::guest {

/// For a test of something that this guest's kernel does not have: says so, and keeps the test out of what docs/kernels.md
/// lists as compared. The test is to return then; it fails all the same if it has failed before. `why`: a line.
void leave_out(const std::string& why);

}  // namespace katameter::guest
