#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "host-probe/discovery/layout.h"
#include "host-probe/processes/process_source.h"
#include "host-probe/sandbox_id.h"

namespace katameter::host {

/// Directories of sandboxes of which no process runs. A shim that crashed leaves one, and so does a sandbox that dies while
/// it is measured. They are kept because nothing reports it when one comes to life: a socket is bound a moment before
/// its process listens on it, and a sandbox of the same id may be started again in its old directory.
class DeadDirectories {
 public:
  /// `processes`, which may be null, must outlive it. `guest_port`: where guest-probe listens.
  DeadDirectories(ProcessSource* processes, std::uint32_t guest_port)
      : processes_(processes), guest_port_(guest_port) {}

  /// Whether neither the VMM of this place nor another process of its sandbox runs. Without `processes`, a socket shows it
  /// if connect() fails with ECONNREFUSED; of a guest that is reached by its CID, only a file with the VMM's process id
  /// does, else it counts as alive.
  bool is_dead(const SandboxPlace& place) const;

  void add(const SandboxPlace& place) { dead_.emplace(place.id, Dead{place}); }
  void remove(const SandboxId& id) { dead_.erase(id); }
  /// Takes out those in which a sandbox lives after all. Each of the others is logged once, when it is seen here first.
  std::vector<SandboxPlace> take_living();

 private:
  struct Dead {
    SandboxPlace place;
    bool logged = false;
  };

  ProcessSource* processes_;
  std::uint32_t guest_port_;
  std::map<SandboxId, Dead> dead_;
};

}  // namespace katameter::host
