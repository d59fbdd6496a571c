#pragma once

#include "bpf/guest/records.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// An OOM record of the kernel as an event for the host; says which container the victim was in.
wire::OomEvent make_oom_event(const oom_record& record);

}  // namespace katameter::guest
