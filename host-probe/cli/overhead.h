#pragma once

#include <string>
#include <vector>

#include "host-probe/overhead/history.h"
#include "userspace/result.h"

namespace katameter::host {

/// For people: a table of the quantiles, and what they stand on.
std::string overhead_table(const std::vector<HandlerOverhead>& handlers);
/// RuntimeClasses with overhead.podFixed from p95, as `kubectl apply` takes them; what is to be known of them stands in
/// comments. A handler that is not known gets a name that says so; one whose name the API server would not take is left out.
std::string runtime_classes(const std::vector<HandlerOverhead>& handlers);

/// What `host-probe overhead` prints of the history in `state_file`: the quantiles as comments, then the RuntimeClasses;
/// all of it is what `kubectl apply -f -` takes.
Result<std::string> show_overhead(const std::string& state_file);

}  // namespace katameter::host
