#include "guest-probe/server/dump.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "guest-probe/server/listen_address.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

namespace katameter::guest {
namespace {

using Json = nlohmann::ordered_json;

Json device_json(const wire::BlockDevice& device) {
  Json json{{"major", device.major}, {"minor", device.minor}};
  for (const wire::BlockDeviceFigure& figure : wire::block_device_figures)
    json[std::string(figure.name)] = device.*figure.value;
  return json;
}

Json container_json(const wire::Container& container) {
  Json json{{"id", container.id.hex()}, {"cgroup", container.cgroup}};
  if (container.removed) json["removed"] = true;
  for (const wire::ContainerFigure& figure : wire::container_figures) {
    if (const wire::Figure& value = container.*figure.value) json[std::string(figure.name)] = *value;
  }
  for (const wire::BlockDevice& device : container.block_devices) json["block_devices"].push_back(device_json(device));
  return json;
}

Json guest_json(const wire::Guest& guest) {
  Json json = Json::object();
  for (const wire::GuestFigure& figure : wire::guest_figures) {
    if (const wire::Figure& value = guest.*figure.value) json[std::string(figure.name)] = *value;
  }
  return json;
}

Json interface_json(const wire::Interface& link) {
  Json json{{"name", link.name}};
  for (const wire::InterfaceFigure& figure : wire::interface_figures)
    json[std::string(figure.name)] = link.*figure.value;
  return json;
}

Json disk_json(const wire::Disk& disk) {
  Json json{{"major", disk.major}, {"minor", disk.minor}};
  for (const wire::DiskFigure& figure : wire::disk_figures) json[std::string(figure.name)] = disk.*figure.value;
  return json;
}

Json volume_json(const wire::Volume& volume) {
  Json json{{"name", volume.name}};
  for (const wire::VolumeFigure& figure : wire::volume_figures) json[std::string(figure.name)] = volume.*figure.value;
  if (volume.is_on_device()) {
    json["major"] = volume.major;
    json["minor"] = volume.minor;
  }
  return json;
}

Json event_json(const wire::OomEvent& event) {
  Json json{{"sequence", event.sequence}, {"boottime_ns", event.boottime_ns}};
  if (event.container) json["container_id"] = event.container->hex();
  json["cgroup"] = event.cgroup;
  json["victim_pid"] = event.victim_pid;
  json["victim_comm"] = event.victim_comm;
  json["victim_anon_bytes"] = event.victim_anon_bytes;
  json["victim_file_bytes"] = event.victim_file_bytes;
  json["victim_shmem_bytes"] = event.victim_shmem_bytes;
  json["memory_usage_bytes"] = event.memory_usage_bytes;
  if (event.memory_limit_bytes != 0) json["memory_limit_bytes"] = event.memory_limit_bytes;
  json["oom_class"] = wire::name(event.oom_class);
  if (!event.limit_cgroup.empty()) {
    json["limit_cgroup"] = event.limit_cgroup;
    json["limit_usage_bytes"] = event.limit_usage_bytes;
    json["limit_bytes"] = event.limit_bytes;
  }
  return json;
}

std::string seconds(const wire::Figure& ns) {
  return ns ? fmt::format("{:.3f}", static_cast<double>(*ns) / 1e9) : "-";
}

std::string mebibytes(const wire::Figure& bytes) {
  return bytes ? fmt::format("{:.1f}", static_cast<double>(*bytes) / (1 << 20)) : "-";
}

std::string count(const wire::Figure& value) {
  return value ? std::to_string(*value) : "-";
}

Status send_message(const Fd& peer, const wire::HostMessage& message) {
  const std::string bytes = wire::frame(wire::encode(message));
  if (send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    return system_failure("cannot ask the running guest-probe");
  }
  return {};
}

Result<wire::GuestMessage> receive_message(const Fd& peer, wire::FrameReader& reader, int timeout_s) {
  while (true) {
    const auto payload = reader.next();
    if (!payload) return failure_from(payload.error(), "the socket's other end is no guest-probe");
    if (*payload) return wire::decode_guest_message(**payload);
    std::array<char, 4096> bytes{};
    const ssize_t size = recv(peer.get(), bytes.data(), bytes.size(), 0);
    if (size == 0) return failure("the running guest-probe closed the connection: its log says why");
    if (size < 0 && errno == EAGAIN) {
      return failure(fmt::format("nothing was answered for {} s: is the socket's other end a guest-probe?", timeout_s));
    }
    if (size < 0) return system_failure("cannot read from the running guest-probe");
    reader.append({bytes.data(), static_cast<std::size_t>(size)});
  }
}

}  // namespace

std::string to_json(const Dump& dump) {
  Json json{{"boottime_ns", dump.snapshot.boottime_ns}, {"sequence", dump.snapshot.sequence}};
  json["kernel"] = dump.hello.kernel;
  json["lacks"] = dump.hello.lacks;
  json["containers"] = Json::array();
  for (const wire::Container& container : dump.snapshot.containers) {
    json["containers"].push_back(container_json(container));
  }
  json["guest"] = guest_json(dump.snapshot.guest);
  json["interfaces"] = Json::array();
  for (const wire::Interface& link : dump.snapshot.interfaces) json["interfaces"].push_back(interface_json(link));
  json["disks"] = Json::array();
  for (const wire::Disk& disk : dump.snapshot.disks) json["disks"].push_back(disk_json(disk));
  json["volumes"] = Json::array();
  for (const wire::Volume& volume : dump.snapshot.volumes) json["volumes"].push_back(volume_json(volume));
  json["oom_events"] = Json::array();
  for (const wire::OomEvent& event : dump.oom_events) json["oom_events"].push_back(event_json(event));
  return json.dump();
}

std::string to_text(const Dump& dump) {
  std::string text = fmt::format("{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>7}\n", "CONTAINER", "CPU s",
                                 "USED MiB", "PEAK", "LIMIT", "RSS", "CACHE", "WORKING", "OOM");
  for (const wire::Container& container : dump.snapshot.containers) {
    text += fmt::format("{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>7}{}\n", container.id.hex().substr(0, 12),
                        seconds(container.cpu_usage_ns), mebibytes(container.memory_usage_bytes),
                        mebibytes(container.memory_peak_bytes), mebibytes(container.memory_limit_bytes),
                        mebibytes(container.memory_rss_bytes), mebibytes(container.memory_cache_bytes),
                        mebibytes(container.memory_working_set_bytes), count(container.oom_kills),
                        container.removed ? "  removed" : "");
  }
  text += fmt::format("{:<14}{:>12}  (containers: {} s)\n", "whole guest", seconds(dump.snapshot.guest.cpu_usage_ns),
                      seconds(dump.snapshot.guest.workload_cpu_usage_ns));
  const wire::Guest& guest = dump.snapshot.guest;
  text += fmt::format("memory MiB: {} of {} available\n", mebibytes(guest.memory_available_bytes),
                      mebibytes(guest.memory_total_bytes));
  for (const wire::Interface& link : dump.snapshot.interfaces) {
    text += fmt::format("{}: {} bytes received, {} sent\n", link.name, link.receive_bytes, link.transmit_bytes);
  }
  for (const wire::OomEvent& event : dump.oom_events) {
    text += fmt::format("oom kill {}: pid {} ({}) in {}: {} {}\n", event.sequence, event.victim_pid, event.victim_comm,
                        event.cgroup, wire::name(event.oom_class), event.limit_cgroup);
  }
  return text;
}

Result<Dump> ask_daemon(const std::string& socket_path, int timeout_s) {
  const Result<Fd> peer = connect_to(socket_path, timeout_s);
  if (!peer) return failure_from(peer.error());
  wire::Hello hello;
  hello.version = KATAMETER_VERSION;
  if (Status status = send_message(*peer, hello); !status) return failure_from(status.error());
  if (Status status = send_message(*peer, wire::Collect{1}); !status) return failure_from(status.error());

  Dump dump;
  wire::FrameReader reader;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(timeout_s);
  while (true) {
    Result<wire::GuestMessage> message = receive_message(*peer, reader, timeout_s);
    if (!message) return failure_from(message.error());
    if (auto* event = std::get_if<wire::OomEvent>(&*message)) dump.oom_events.push_back(std::move(*event));
    if (auto* first = std::get_if<wire::Hello>(&*message)) dump.hello = std::move(*first);
    if (const auto* refusal = std::get_if<wire::Refusal>(&*message)) {
      // Others ask too: their turn is over soon.
      if (refusal->request != 1 || Clock::now() > end) {
        return failure("the running guest-probe does not answer: " + refusal->reason);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (Status status = send_message(*peer, wire::Collect{1}); !status) return failure_from(status.error());
    }
    if (auto* snapshot = std::get_if<wire::Snapshot>(&*message)) {
      dump.snapshot = std::move(*snapshot);
      return dump;
    }
  }
}

}  // namespace katameter::guest
