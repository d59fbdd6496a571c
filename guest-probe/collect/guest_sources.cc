#include "guest-probe/collect/guest_sources.h"

#include <utility>

#include "userspace/log.h"

namespace katameter::guest {

GuestSources GuestSources::open() {
  GuestSources sources;
  const auto keep = [&](auto opened, auto& target, const char* loses) {
    if (opened) {
      target = *std::move(opened);
    } else {
      sources.lacks_.push_back(fmt::format("{} lost: {}", loses, opened.error().text));
    }
  };
  keep(Meminfo::open(), sources.meminfo_, "the whole guest's memory figures are");
  keep(LinkStats::open(), sources.links_, "the network figures are");
  return sources;
}

void GuestSources::read(wire::Snapshot& snapshot) {
  const auto note = [&](const Error& error) {
    log(std::exchange(failed_, true) ? LogLevel::debug : LogLevel::warning, "cannot read the guest's memory or network",
        {{"error", error.text}});
  };
  if (meminfo_) {
    if (const Status status = meminfo_->read(snapshot.guest); !status) note(status.error());
  }
  if (!links_) return;
  Result<Links> links = links_->read();
  if (!links) return note(links.error());
  snapshot.interfaces = std::move(links->interfaces);
  snapshot.guest.interfaces_unreported = links->unreported;
}

}  // namespace katameter::guest
