#pragma once

#include <string>
#include <vector>

#include "userspace/wire/messages.h"

namespace katameter::guest {

/// What `guest-probe dump` prints.
struct Dump {
  wire::Hello hello;
  wire::Snapshot snapshot;
  std::vector<wire::OomEvent> oom_events;  ///< those that no host has acknowledged
};

/// One JSON object, one line. Keys as in wire::container_figures; a figure that the kernel cannot give has no key.
std::string to_json(const Dump& dump);

/// A table for people.
std::string to_text(const Dump& dump);

}  // namespace katameter::guest
