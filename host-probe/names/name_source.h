#pragma once

#include <optional>

#include "host-probe/names/sandbox_names.h"
#include "userspace/result.h"

namespace katameter::host {

struct NameAnswer {
  /// Whatever was found; a sandbox or container that nobody knows is not in it.
  NamesBySandbox sandboxes;
  /// Why a runtime could not be asked. What is missing may be known to it.
  std::optional<Error> trouble;
};

/// Where names come from: the node's container runtime in production (runtime_names.h), a table in tests.
class NameSource {
 public:
  virtual ~NameSource() = default;

  /// Takes as long as it takes, though not for ever; called in a thread of its own (name_worker.h).
  virtual NameAnswer look_up(const NameQuestion& question) = 0;
  /// Called from another thread: a look_up() under way is to return as soon as it can, later ones at once.
  virtual void cancel() = 0;
};

}  // namespace katameter::host
