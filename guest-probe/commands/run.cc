#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <vector>

#include "guest-probe/bpf/pins.h"
#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/confinement.h"
#include "guest-probe/commands/startup.h"
#include "guest-probe/server/listen_address.h"
#include "guest-probe/server/server.h"
#include "userspace/event_loop.h"
#include "userspace/log.h"
#include "userspace/signals.h"

namespace katameter::guest {
namespace {

struct Listening {
  std::vector<Fd> sockets;
  std::vector<std::string> files;  // of those that are Unix sockets
};

// Nothing is left behind by a start that failed. After serving, folders stay: they cannot be removed any more.
void remove_files(const Listening& listening) {
  std::error_code ignored;
  for (const std::string& file : listening.files) {
    std::filesystem::remove(file, ignored);
    if (file == default_socket) std::filesystem::remove(std::filesystem::path(file).parent_path(), ignored);
  }
}

Status listen(const std::string& text, Listening& listening) {
  const Result<ListenAddress> address = ListenAddress::parse(text);
  if (!address) return failure_from(address.error());
  Result<Fd> socket = listen_on(*address);
  if (!socket) return failure_from(socket.error());
  log_info("listening", {{"address", address->text}});
  listening.sockets.push_back(*std::move(socket));
  if (!address->path.empty()) listening.files.push_back(address->path);
  return {};
}

Status listen_everywhere(const RunOptions& options, Listening& listening) {
  for (const std::string& text : options.listen) {
    if (Status status = listen(text, listening); !status) return status;
  }
  if (!options.listen.empty()) return {};
  if (Status status = listen("vsock:" + std::to_string(wire::default_port), listening); !status) return status;
  // Only `guest-probe dump` misses it where /run cannot be written.
  if (Status status = listen("unix:" + default_socket, listening); !status) {
    log_warning("not listening on the default socket", {{"error", status.error().text}});
  }
  return {};
}

Status serve(const RunOptions& options) {
  Result<EventLoop> loop = EventLoop::create();
  if (!loop) return failure_from(loop.error());
  const Result<Signals> signals = Signals::create(*loop, {SIGTERM, SIGINT}, [&](int) { loop->stop(); });
  if (!signals) return failure_from(signals.error());
  // Before anything is loaded: a second guest-probe is to end without having touched the kernel.
  Listening listening;
  if (Status status = listen_everywhere(options, listening); !status) return status;
  const Result<GuestProbe> probe = start_guest_probe(options.containers, options.pin_directory, options.wanted);
  if (!probe) {
    remove_files(listening);
    return failure_from(probe.error());
  }
  for (const std::string& line : describe_missing(*probe)) log_warning("{}", line);
  if (Result<ReportedSums> sums = ReportedSums::open(reported_sums_file)) {
    probe->collector->add(*std::move(sums));
  } else {
    log_warning("the next guest-probe will start its sums at 0", {{"error", sums.error().text}});
  }

  // Of what it says only the missing features change, while indices are resolved.
  const auto hello = [&probe, hello = make_hello(*probe)]() mutable {
    hello.lacks = missing_features_of(*probe);
    return hello;
  };
  Server server(*loop, *probe->collector, *probe->programs, hello);
  for (Fd& socket : listening.sockets) {
    if (Status status = server.serve(std::move(socket)); !status) return status;
  }
  if (Status status = server.watch_oom_events(); !status) return status;
  if (Status status = shield_from_oom_killer(); !status) {
    log_warning("the OOM killer may choose guest-probe", {{"error", status.error().text}});
  }
  const Rights rights = probe->pins.path().empty() ? Rights::run_bpf : Rights::none;
  if (Status status = give_up_capabilities(rights); !status) return status;
  if (Status status = filter_calls(rights); !status) {
    log_warning("running without a seccomp filter", {{"error", status.error().text}});
  }
  log_info("guest-probe {} is ready", KATAMETER_VERSION);
  release_startup_memory();
  Status served = loop->run();
  remove_files(listening);
  return served;
}

Status detach(const std::string& path) {
  struct stat there {};
  if (stat(path.c_str(), &there) != 0 && errno == ENOENT) return {};
  Result<PinDirectory> pins = PinDirectory::open(path);
  if (!pins && pins.error().code == EWOULDBLOCK) return failure_from(pins.error(), "stop guest-probe first");
  if (!pins) return failure_from(pins.error());
  if (const auto cleared = pins->clear(path); !cleared) return failure_from(cleared.error());
  return pins->remove();
}

}  // namespace

int run_command(const RunOptions& options) {
  for (const std::string& text : options.listen) {
    if (const auto address = ListenAddress::parse(text); !address) {
      log_error("{}", address.error().text);
      return exit_status::usage;
    }
  }
  const Status status = serve(options);
  if (status) return exit_status::done;
  log_error("{}", status.error().text);
  return status.error().code == ENOSYS ? exit_status::kernel_cannot : exit_status::failed;
}

int detach_command(const std::string& pin_directory) {
  const Status status = detach(pin_directory);
  if (!status) {
    log_error("{}", status.error().text);
    return 1;
  }
  std::cout << "nothing of guest-probe is left in " << pin_directory << "\n";
  return 0;
}

}  // namespace katameter::guest
