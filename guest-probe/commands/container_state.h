#pragma once

#include <string>
#include <string_view>

#include "userspace/result.h"

namespace katameter::guest {

/// The id in a container's state as the OCI runtime specification has it ("State"): what hooks get on stdin. An error for
/// anything else; an id holds letters, digits and -_.+ only.
Result<std::string> container_in_state(std::string_view json);

/// All there is on `fd` until its end, at most `bytes` and for at most `timeout_ms` altogether: an error where it ended
/// otherwise. It is read to the end even if nobody needs it: to some agents, a hook that leaves before they have written
/// all of it is one that failed.
Result<std::string> read_state(int fd, std::size_t bytes, int timeout_ms);

}  // namespace katameter::guest
