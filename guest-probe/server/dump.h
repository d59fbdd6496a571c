#pragma once

#include <string>
#include <vector>

#include "userspace/result.h"
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

/// Asks a running guest-probe for one snapshot over its Unix socket. Acknowledges nothing: that is the host's to do.
/// Gives up with an error after `timeout_s` without a byte, or in which every Collect was refused.
Result<Dump> ask_daemon(const std::string& socket_path, int timeout_s);

}  // namespace katameter::guest
