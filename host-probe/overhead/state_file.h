#pragma once

#include <string>

#include "userspace/result.h"

namespace katameter::host {

/// Puts `text` in place of the file in one step: whoever reads it, now or after a crash, sees the old or the new one
/// whole. Makes the last folder of the path if that is missing.
Status replace_state(const std::string& path, const std::string& text);

}  // namespace katameter::host
