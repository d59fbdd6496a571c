#pragma once

#include "guest-probe/commands/startup.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What a peer is told of this guest and what it cannot give.
wire::Hello make_hello(const GuestProbe& probe);

}  // namespace katameter::guest
