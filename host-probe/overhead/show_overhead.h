#pragma once

#include <string>

#include "userspace/result.h"

namespace katameter {

/// What `host-probe overhead` prints of the history in `state_file`: the quantiles as comments, then the RuntimeClasses;
/// all of it is what `kubectl apply -f -` takes.
Result<std::string> show_overhead(const std::string& state_file);

}  // namespace katameter
