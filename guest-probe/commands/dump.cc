#include <cerrno>
#include <iostream>

#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/startup.h"
#include "guest-probe/server/dump.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

constexpr int answer_timeout_s = 5;

Result<Dump> dump_by_itself(const DumpOptions& options) {
  const Result<GuestProbe> probe = start_guest_probe(options.containers, "", options.wanted);
  if (!probe) return failure_from(probe.error());
  for (const std::string& line : describe_missing(*probe)) log_warning("{}", line);
  Result<wire::Snapshot> snapshot = probe->collector->collect(1);
  if (!snapshot) return failure_from(snapshot.error());
  return Dump{make_hello(*probe), *std::move(snapshot), {}};
}

Result<Dump> take_dump(const DumpOptions& options) {
  Result<Dump> dump = ask_daemon(options.socket, answer_timeout_s);
  const bool nobody = !dump && (dump.error().code == ENOENT || dump.error().code == ECONNREFUSED);
  // Whoever named a socket means the daemon behind it.
  if (nobody && options.socket == default_socket) return dump_by_itself(options);
  return dump;
}

}  // namespace

int dump_command(const DumpOptions& options) {
  const Result<Dump> dump = take_dump(options);
  if (!dump) {
    log_error("{}", dump.error().text);
    return 1;
  }
  std::cout << (options.format == "json" ? to_json(*dump) + "\n" : to_text(*dump)) << std::flush;
  return 0;
}

}  // namespace katameter::guest
