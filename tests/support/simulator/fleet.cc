#include "tests/support/simulator/fleet.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "tests/support/simulator/figures.h"

namespace katameter::simulator {
namespace {

// Where the Go runtime keeps its VMs.
constexpr const char* layout = "/vc/vm";

}  // namespace

Result<Fleet> Fleet::create(EventLoop& loop, const std::string& run_root, const Load& load) {
  std::error_code error;
  std::filesystem::create_directories(run_root + layout, error);
  if (error) return system_failure("cannot make " + run_root + layout, error.value());
  return Fleet(loop, run_root, load);
}

Fleet::~Fleet() {
  if (run_root_.empty()) return;  // moved from
  remove(guests_.size());
  std::error_code ignored;
  for (const char* directory : {layout, "/vc"}) std::filesystem::remove(run_root_ + directory, ignored);
}

std::string Fleet::directory_of(std::uint64_t number) const {
  return run_root_ + layout + "/" + container_id(number, 0).hex();
}

Status Fleet::add(std::uint64_t count, std::chrono::milliseconds boot) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t number = oldest_ + guests_.size();
    const std::string directory = directory_of(number);
    std::error_code error;
    if (!std::filesystem::create_directory(directory, error)) {
      return system_failure("cannot make " + directory + ", remove what an earlier simulator left", error.value());
    }
    auto guest = SimulatedGuest::create(loop_, directory, number, load_);
    if (!guest) {
      std::filesystem::remove_all(directory, error);
      return failure_from(std::move(guest.error()));
    }
    (*guest)->boot_for(boot);
    guests_.push_back(std::move(*guest));
  }
  return {};
}

// In the order in which a VM ends: its process, and with it the sockets, then what lies on the disk.
void Fleet::remove(std::uint64_t count) {
  for (; count > 0 && !guests_.empty(); --count) {
    guests_.pop_front();
    std::error_code ignored;
    std::filesystem::remove_all(directory_of(oldest_++), ignored);
  }
}

Fleet::Counts Fleet::counts() const {
  Counts counts;
  if (guests_.empty()) return counts;
  counts.guests = guests_.size();
  counts.fewest_collects = std::numeric_limits<std::uint64_t>::max();
  for (const auto& guest : guests_) {
    if (guest->connected()) ++counts.connected;
    counts.fewest_collects = std::min(counts.fewest_collects, guest->collects());
    counts.max_collects = std::max(counts.max_collects, guest->collects());
  }
  return counts;
}

}  // namespace katameter::simulator
