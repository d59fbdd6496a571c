#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "host-probe/exposition/families.h"
#include "host-probe/processes/process_source.h"

namespace katameter {

/// What the processes of the sandbox `id` cost the host.
void add_processes(Families& families, const SandboxProcesses& processes, const std::string& id);

/// The host's OOM kills, which outlive the sandbox for a while.
void add_host_ooms(Families& families, const std::map<Role, std::uint64_t>& kills, const std::string& id);

}  // namespace katameter
