#include "host-probe/merge/sandbox_state.h"

#include <algorithm>
#include <map>
#include <utility>

#include "host-probe/merge/guest_system_cpu.h"

namespace katameter {

void SandboxState::connected(const std::string& boot_id, Time now) {
  if (boot_id == boot_id_) return;
  boot_id_ = boot_id;
  ++boots_;
  end(now);
  ooms_.guest_restarted(now);
}

void SandboxState::end(Time now, HostOoms kills) {
  std::erase_if(kills, [](const auto& role) { return role.second == 0; });
  host_ooms_ = std::move(kills);
  host_ooms_until_ = now + OomLedger::window;
  taken_at_.reset();
  living_.clear();
  listed_removed_.clear();
  finals_.clear();
  guest_cpu_.reset();
  guest_system_cpu_.reset();
  guest_ = {};
  interfaces_.clear();
  ooms_.all_ended(now);
}

void SandboxState::take_over(const wire::Snapshot& snapshot, Time now) {
  std::vector<wire::Container> removed;
  living_.clear();
  for (const wire::Container& container : snapshot.containers) {
    std::vector<wire::Container>& into = container.removed ? removed : living_;
    into.push_back(container);
    std::erase_if(into.back().block_devices,
                  [&](const wire::BlockDevice& device) { return !block_device_numbers_.admit(device); });
  }
  take_removed(removed, now);
  ooms_.living(living_, now);
  ooms_.expire(now);
  take_guest(snapshot.guest);
  take_interfaces(snapshot.interfaces);
  taken_at_ = now;
  ++snapshots_;
}

SandboxState::Listing SandboxState::listing_of(const wire::Container& container) {
  Listing listing{container.id, {}};
  for (std::size_t i = 0; i < listing.second.size(); ++i) {
    listing.second[i] = container.*wire::container_figures[i].value;
  }
  return listing;
}

void SandboxState::take_removed(const std::vector<wire::Container>& removed, Time now) {
  std::set<Listing> listed;
  for (const wire::Container& container : removed) {
    const Listing listing = listing_of(container);
    if (!listed_removed_.contains(listing) && !listed.contains(listing)) {
      finals_.push_back(container);
      ooms_.ended(container, now);
    }
    listed.insert(listing);
  }
  listed_removed_ = std::move(listed);
}

void SandboxState::take_interfaces(const std::vector<wire::Interface>& interfaces) {
  interfaces_.clear();
  for (const wire::Interface& link : interfaces) {
    if (interface_names_.admit(link.name)) interfaces_.push_back(link);
  }
}

void SandboxState::take_guest(const wire::Guest& guest) {
  guest_ = guest;
  if (!guest.cpu_usage_ns || !guest.workload_cpu_usage_ns) {
    guest_cpu_.reset();
    guest_system_cpu_.reset();
    return;
  }
  const std::uint64_t workload = *guest.workload_cpu_usage_ns;
  const std::uint64_t rest = *guest.cpu_usage_ns > workload ? *guest.cpu_usage_ns - workload : 0;
  // The difference of two counters may fall by what was read between them; a counter of ours never does.
  guest_cpu_ = GuestCpu{workload, std::max(rest, guest_cpu_ ? guest_cpu_->guest_system_ns : 0)};
  guest_system_cpu_ = divide_guest_system_cpu(guest_cpu_->guest_system_ns, guest, guest_system_cpu_);
}

void SandboxState::report(SandboxReport& report, bool connected, Time now) {
  ooms_.expire(now);
  report.oom_kills = ooms_.kills();
  report.host_ooms = host_ooms_;
  report.guest_up = connected && taken_at_ && now - *taken_at_ <= freshness;
  if (!report.guest_up) return;
  // One entry per id: of several the last, and a living one before all.
  std::map<ContainerId, wire::Container> by_id;
  for (const wire::Container& container : std::exchange(finals_, {})) by_id.insert_or_assign(container.id, container);
  for (const wire::Container& container : living_) by_id.insert_or_assign(container.id, container);
  for (auto& [id, container] : by_id) report.containers.push_back(std::move(container));
  report.guest_boot = boots_;
  report.guest_snapshots = snapshots_;
  report.guest_cpu = guest_cpu_;
  report.guest_system_cpu = guest_system_cpu_;
  report.guest = guest_;
  report.interfaces = interfaces_;
}

bool SandboxState::forgotten(Time now) {
  ooms_.expire(now);
  return ooms_.empty() && (host_ooms_.empty() || now >= host_ooms_until_);
}

}  // namespace katameter
