#include <array>
#include <protozero/pbf_writer.hpp>

#include "userspace/wire/codec.h"

namespace katameter::wire {
namespace {

using Writer = protozero::pbf_writer;

// proto3 leaves out plain scalars that are 0 and plain strings that are empty; `optional` ones are always written.
void put(Writer& out, std::uint32_t field, std::uint64_t value) {
  if (value != 0) out.add_uint64(field, value);
}
void put(Writer& out, std::uint32_t field, std::string_view text) {
  if (!text.empty()) out.add_bytes(field, text.data(), text.size());
}
void put(Writer& out, std::uint32_t field, const Figure& figure) {
  if (figure) out.add_uint64(field, *figure);
}

void write(Writer out, const Hello& hello) {
  put(out, 1, std::uint64_t{hello.protocol});
  put(out, 2, hello.version);
  put(out, 3, hello.boot_id);
  put(out, 4, hello.kernel);
  for (const std::string& group : hello.lacks) out.add_string(5, group);
  put(out, 6, hello.instance);
}

void write(Writer out, const Collect& collect) {
  put(out, 1, collect.request);
}

void write(Writer out, const Acknowledge& acknowledge) {
  put(out, 1, acknowledge.event_sequence);
  put(out, 2, acknowledge.snapshot_sequence);
}

void write(Writer out, const BlockDevice& device) {
  put(out, 1, std::uint64_t{device.major});
  put(out, 2, std::uint64_t{device.minor});
  for (const BlockDeviceFigure& figure : block_device_figures) put(out, figure.field, device.*figure.value);
}

char* put_varint(char* at, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
  *at++ = static_cast<char>(value);
  return at;
}

// Most of a snapshot: protozero's writer, which appends byte by byte, would take three times as long.
void append_figures(std::string& message, const Container& container) {
  std::array<char, encoded::figures(container_figures)> buffer;
  char* end = buffer.data();
  for (const ContainerFigure& figure : container_figures) {
    const Figure& value = container.*figure.value;
    if (!value) continue;
    end = put_varint(end, std::uint64_t{figure.field} << 3);  // wire type 0: a varint
    end = put_varint(end, *value);
  }
  message.append(buffer.data(), end);
}

// `message`: what it is written to, before it becomes a part of the snapshot.
void write(Writer& out, const Container& container, bool with_path, std::string& message) {
  message.clear();
  Writer fields(message);
  put(fields, 1, container.id.raw());
  if (with_path) put(fields, 2, container.cgroup);
  if (container.removed) fields.add_bool(3, true);
  for (const BlockDevice& device : container.block_devices) write(Writer(fields, 4), device);
  append_figures(message, container);
  out.add_message(4, message);
}

void write(Writer out, const Guest& guest) {
  for (const GuestFigure& figure : guest_figures) {
    const Figure& value = guest.*figure.value;
    if (figure.presence == Presence::optional) {
      put(out, figure.field, value);
    } else {
      put(out, figure.field, value.value_or(0));
    }
  }
}

void write(Writer out, const Interface& link) {
  put(out, 1, link.name);
  for (const InterfaceFigure& figure : interface_figures) put(out, figure.field, link.*figure.value);
}

void write(Writer out, const Disk& disk) {
  put(out, 1, std::uint64_t{disk.major});
  put(out, 2, std::uint64_t{disk.minor});
  for (const DiskFigure& figure : disk_figures) put(out, figure.field, disk.*figure.value);
}

void write(Writer out, const Volume& volume) {
  put(out, 1, volume.name);
  for (const VolumeFigure& figure : volume_figures) put(out, figure.field, volume.*figure.value);
  if (!volume.is_on_device()) return;
  put(out, 6, std::uint64_t{volume.major});
  put(out, 7, std::uint64_t{volume.minor});
}

void write(Writer out, const Snapshot& snapshot, bool with_paths = true) {
  put(out, 1, snapshot.request);
  put(out, 2, snapshot.sequence);
  put(out, 3, snapshot.boottime_ns);
  std::string message;
  for (const Container& container : snapshot.containers) write(out, container, with_paths, message);
  write(Writer(out, 5), snapshot.guest);
  for (const Interface& link : snapshot.interfaces) write(Writer(out, 8), link);
  for (const Disk& disk : snapshot.disks) write(Writer(out, 10), disk);
  for (const Volume& volume : snapshot.volumes) write(Writer(out, 11), volume);
}

void write(Writer out, const OomEvent& event) {
  put(out, 1, event.sequence);
  put(out, 2, event.boottime_ns);
  if (event.container) put(out, 3, event.container->raw());
  put(out, 4, event.cgroup);
  put(out, 5, std::uint64_t{event.victim_pid});
  put(out, 6, event.victim_comm);
  put(out, 7, event.victim_anon_bytes);
  put(out, 8, event.victim_file_bytes);
  put(out, 9, event.victim_shmem_bytes);
  put(out, 10, event.memory_usage_bytes);
  put(out, 11, event.memory_limit_bytes);
  put(out, 16, std::uint64_t{static_cast<std::uint32_t>(event.oom_class)});
  put(out, 17, event.limit_cgroup);
  put(out, 18, event.limit_usage_bytes);
  put(out, 19, event.limit_bytes);
}

void write(Writer out, const Refusal& refusal) {
  put(out, 1, refusal.request);
  put(out, 2, refusal.reason);
}

void write(const Writer&, const Unknown&) {}

// The body on its own first: a nested writer leaves a message without fields out, and the frame would be empty.
std::string in_frame(std::uint32_t field, const std::string& body) {
  std::string payload;
  Writer(payload).add_message(field, body);
  return payload;
}

// The position of a message in its variant is its number in the schema's oneof, less one.
template <typename Message>
std::string encode_variant(const Message& message) {
  std::string body;
  std::visit([&](const auto& alternative) { write(Writer(body), alternative); }, message);
  const auto* unknown = std::get_if<Unknown>(&message);
  return in_frame(unknown != nullptr ? unknown->field : static_cast<std::uint32_t>(message.index() + 1), body);
}

// A host that does not know a Refusal would break the connection over a frame with nothing that it knows. Of several
// messages the last counts.
const std::string& before_refusal() {
  static const std::string event = encode_variant(GuestMessage(OomEvent()));
  return event;
}

}  // namespace

std::string encode(const HostMessage& message) {
  return encode_variant(message);
}
std::string encode(const GuestMessage& message) {
  std::string payload = encode_variant(message);
  if (std::holds_alternative<Refusal>(message)) return before_refusal() + payload;
  const auto* snapshot = std::get_if<Snapshot>(&message);
  if (snapshot == nullptr || payload.size() <= max_frame_bytes_with_paths) return payload;
  std::string body;
  write(Writer(body), *snapshot, false);
  return in_frame(static_cast<std::uint32_t>(message.index() + 1), body);
}

}  // namespace katameter::wire
