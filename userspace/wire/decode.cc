#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "userspace/wire/codec.h"

namespace katameter::wire {
namespace {

using Reader = protozero::pbf_reader;

// protozero reports malformed bytes by exceptions; ours travel the same way to decode_variant(), where all end.
struct Rejected {
  std::string why;
};

std::uint64_t number(Reader& in, std::string_view name) {
  if (in.wire_type() != protozero::pbf_wire_type::varint) throw Rejected{fmt::format("{} is not a number", name)};
  return in.get_uint64();
}

std::uint32_t small_number(Reader& in, std::string_view name) {
  const std::uint64_t value = number(in, name);
  if (value > UINT32_MAX) throw Rejected{fmt::format("{} is beyond 32 bits", name)};
  return static_cast<std::uint32_t>(value);
}

Reader submessage(Reader& in, std::string_view name) {
  if (in.wire_type() != protozero::pbf_wire_type::length_delimited) {
    throw Rejected{fmt::format("{} is not a message", name)};
  }
  return in.get_message();
}

std::string_view bytes(Reader& in, std::string_view name) {
  if (in.wire_type() != protozero::pbf_wire_type::length_delimited) {
    throw Rejected{fmt::format("{} is not a text", name)};
  }
  const protozero::data_view view = in.get_view();
  return {view.data(), view.size()};
}

// Text from the other side ends up in logs: nothing but printable ASCII gets in.
std::string text(Reader& in, std::string_view name, const Limits& limits) {
  const std::string_view raw = bytes(in, name);
  if (raw.size() > limits.text_bytes) throw Rejected{fmt::format("{} has {} bytes", name, raw.size())};
  if (!std::all_of(raw.begin(), raw.end(), [](char c) { return c >= ' ' && c <= '~'; })) {
    throw Rejected{fmt::format("{} has a byte that is not printable ASCII", name)};
  }
  return std::string(raw);
}

ContainerId container_id(Reader& in, std::string_view name) {
  const std::optional<ContainerId> id = ContainerId::from_bytes(bytes(in, name));
  if (!id) throw Rejected{fmt::format("{} does not have 32 bytes", name)};
  return *id;
}

void read(Reader in, Hello& hello, const Limits& limits) {
  hello.protocol = 0;  // so that a Hello without one is not taken for ours
  while (in.next()) {
    switch (in.tag()) {
      case 1: hello.protocol = small_number(in, "Hello.protocol"); break;
      case 2: hello.version = text(in, "Hello.version", limits); break;
      case 3: hello.boot_id = text(in, "Hello.boot_id", limits); break;
      case 4: hello.kernel = text(in, "Hello.kernel", limits); break;
      case 5:
        if (hello.lacks.size() == limits.lacks) throw Rejected{"Hello.lacks has too many entries"};
        hello.lacks.push_back(text(in, "Hello.lacks", limits));
        break;
      case 6: hello.instance = text(in, "Hello.instance", limits); break;
      default: in.skip();
    }
  }
}

void read(Reader in, Collect& collect, const Limits&) {
  while (in.next()) {
    switch (in.tag()) {
      case 1: collect.request = number(in, "Collect.request"); break;
      default: in.skip();
    }
  }
}

void read(Reader in, Acknowledge& acknowledge, const Limits&) {
  while (in.next()) {
    switch (in.tag()) {
      case 1: acknowledge.event_sequence = number(in, "Acknowledge.event_sequence"); break;
      case 2: acknowledge.snapshot_sequence = number(in, "Acknowledge.snapshot_sequence"); break;
      default: in.skip();
    }
  }
}

// Of each field number the row of a table in messages.h, from 1 on; 0: the table has no such field.
template <const auto& table>
constexpr auto rows_by_field = [] {
  constexpr auto larger = [](const auto& a, const auto& b) { return a.field < b.field; };
  std::array<std::uint8_t, std::max_element(table.begin(), table.end(), larger)->field + 1> rows{};
  static_assert(table.size() < 256);
  for (std::size_t i = 0; i < table.size(); ++i) rows[table[i].field] = static_cast<std::uint8_t>(i + 1);
  return rows;
}();

// Takes the field for the figure it is of, or skips it if it is of none of the table's.
template <const auto& table, typename Message>
void read_figure(Reader& in, Message& message) {
  const std::uint32_t field = in.tag();
  const std::size_t row = field < rows_by_field<table>.size() ? rows_by_field<table>[field] : 0;
  if (row == 0) {
    in.skip();
  } else {
    message.*table[row - 1].value = number(in, table[row - 1].name);
  }
}

BlockDevice read_block_device(Reader in) {
  BlockDevice device;
  while (in.next()) {
    switch (in.tag()) {
      case 1: device.major = small_number(in, "BlockDevice.major"); break;
      case 2: device.minor = small_number(in, "BlockDevice.minor"); break;
      default: read_figure<block_device_figures>(in, device);
    }
  }
  return device;
}

Container read_container(Reader in, const Limits& limits) {
  Container container;
  bool has_id = false;
  while (in.next()) {
    switch (in.tag()) {
      case 1:
        container.id = container_id(in, "Container.id");
        has_id = true;
        break;
      case 2: container.cgroup = text(in, "Container.cgroup", limits); break;
      case 3: container.removed = number(in, "Container.removed") != 0; break;
      case 4:
        if (container.block_devices.size() == limits.block_devices) {
          throw Rejected{"a Container has too many block devices"};
        }
        container.block_devices.push_back(read_block_device(submessage(in, "Container.block_devices")));
        break;
      default: read_figure<container_figures>(in, container);
    }
  }
  if (!has_id) throw Rejected{"a Container has no id"};
  return container;
}

Guest read_guest(Reader in) {
  Guest guest;
  while (in.next()) read_figure<guest_figures>(in, guest);
  return guest;
}

Interface read_interface(Reader in, const Limits& limits) {
  Interface link;
  while (in.next()) {
    switch (in.tag()) {
      case 1: link.name = text(in, "Interface.name", limits); break;
      default: read_figure<interface_figures>(in, link);
    }
  }
  return link;
}

Disk read_disk(Reader in) {
  Disk disk;
  while (in.next()) {
    switch (in.tag()) {
      case 1: disk.major = small_number(in, "Disk.major"); break;
      case 2: disk.minor = small_number(in, "Disk.minor"); break;
      default: read_figure<disk_figures>(in, disk);
    }
  }
  return disk;
}

Volume read_volume(Reader in, const Limits& limits) {
  Volume volume;
  while (in.next()) {
    switch (in.tag()) {
      case 1: volume.name = text(in, "Volume.name", limits); break;
      case 6: volume.major = small_number(in, "Volume.major"); break;
      case 7: volume.minor = small_number(in, "Volume.minor"); break;
      default: read_figure<volume_figures>(in, volume);
    }
  }
  return volume;
}

void read(Reader in, Snapshot& snapshot, const Limits& limits) {
  while (in.next()) {
    switch (in.tag()) {
      case 1: snapshot.request = number(in, "Snapshot.request"); break;
      case 2: snapshot.sequence = number(in, "Snapshot.sequence"); break;
      case 3: snapshot.boottime_ns = number(in, "Snapshot.boottime_ns"); break;
      case 4:
        if (snapshot.containers.size() == limits.containers) throw Rejected{"Snapshot has too many containers"};
        snapshot.containers.push_back(read_container(submessage(in, "Snapshot.containers"), limits));
        break;
      case 5: snapshot.guest = read_guest(submessage(in, "Snapshot.guest")); break;
      case 8:
        if (snapshot.interfaces.size() == limits.interfaces) throw Rejected{"Snapshot has too many interfaces"};
        snapshot.interfaces.push_back(read_interface(submessage(in, "Snapshot.interfaces"), limits));
        break;
      case 10:
        if (snapshot.disks.size() == limits.disks) throw Rejected{"Snapshot has too many disks"};
        snapshot.disks.push_back(read_disk(submessage(in, "Snapshot.disks")));
        break;
      case 11:
        if (snapshot.volumes.size() == limits.volumes) throw Rejected{"Snapshot has too many volumes"};
        snapshot.volumes.push_back(read_volume(submessage(in, "Snapshot.volumes"), limits));
        break;
      default: in.skip();
    }
  }
}

// A class that a newer guest-probe distinguishes is not known here.
OomClass oom_class(Reader& in) {
  const std::uint64_t value = number(in, "OomEvent.oom_class");
  return value < oom_classes ? static_cast<OomClass>(value) : OomClass::unknown;
}

void read(Reader in, OomEvent& event, const Limits& limits) {
  while (in.next()) {
    switch (in.tag()) {
      case 1: event.sequence = number(in, "OomEvent.sequence"); break;
      case 2: event.boottime_ns = number(in, "OomEvent.boottime_ns"); break;
      case 3: event.container = container_id(in, "OomEvent.container_id"); break;
      case 4: event.cgroup = text(in, "OomEvent.cgroup", limits); break;
      case 5: event.victim_pid = small_number(in, "OomEvent.victim_pid"); break;
      case 6: event.victim_comm = text(in, "OomEvent.victim_comm", limits); break;
      case 7: event.victim_anon_bytes = number(in, "OomEvent.victim_anon_bytes"); break;
      case 8: event.victim_file_bytes = number(in, "OomEvent.victim_file_bytes"); break;
      case 9: event.victim_shmem_bytes = number(in, "OomEvent.victim_shmem_bytes"); break;
      case 10: event.memory_usage_bytes = number(in, "OomEvent.memory_usage_bytes"); break;
      case 11: event.memory_limit_bytes = number(in, "OomEvent.memory_limit_bytes"); break;
      case 16: event.oom_class = oom_class(in); break;
      case 17: event.limit_cgroup = text(in, "OomEvent.limit_cgroup", limits); break;
      case 18: event.limit_usage_bytes = number(in, "OomEvent.limit_usage_bytes"); break;
      case 19: event.limit_bytes = number(in, "OomEvent.limit_bytes"); break;
      default: in.skip();
    }
  }
}

void read(Reader in, Refusal& refusal, const Limits& limits) {
  while (in.next()) {
    switch (in.tag()) {
      case 1: refusal.request = number(in, "Refusal.request"); break;
      case 2: refusal.reason = text(in, "Refusal.reason", limits); break;
      default: in.skip();
    }
  }
}

// All but Unknown.
template <typename Message>
constexpr std::size_t known_messages = std::variant_size_v<Message> - 1;

// The position of a message in its variant is its number in the schema's oneof, less one. Of several, the last
// counts, as protobuf has it.
template <typename Message, std::size_t index = 0>
Message read_alternative(std::uint32_t field, Reader in, const Limits& limits) {
  if constexpr (index == known_messages<Message>) {
    throw Rejected{fmt::format("message {} is not known", field)};
  } else {
    if (field != index + 1) return read_alternative<Message, index + 1>(field, in, limits);
    std::variant_alternative_t<index, Message> body;
    read(in, body, limits);
    return body;
  }
}

template <typename Message>
Result<Message> decode_variant(std::string_view payload, const Limits& limits) {
  try {
    Reader in(payload.data(), payload.size());
    std::optional<Message> message;
    std::uint32_t newer = 0;
    while (in.next()) {
      if (in.tag() > known_messages<Message>) {
        newer = in.tag();
        in.skip();
      } else {
        const std::uint32_t field = in.tag();
        message = read_alternative<Message>(field, submessage(in, "the frame's content"), limits);
      }
    }
    if (!message && newer != 0) return Message(Unknown{newer});
    if (!message) return failure("the frame holds no message");
    return *std::move(message);
  } catch (const Rejected& rejected) {
    return failure(rejected.why);
  } catch (const protozero::exception& malformed) {
    return failure(fmt::format("the frame is not a protobuf message: {}", malformed.what()));
  }
}

}  // namespace

Result<HostMessage> decode_host_message(std::string_view payload, const Limits& limits) {
  return decode_variant<HostMessage>(payload, limits);
}

Result<GuestMessage> decode_guest_message(std::string_view payload, const Limits& limits) {
  return decode_variant<GuestMessage>(payload, limits);
}

}  // namespace katameter::wire
