#include <katameter.pb.h>

#include <catch2/catch.hpp>

#include "tests/userspace/samples.h"
#include "userspace/wire/codec.h"

// protoc's code against ours, both ways: katameter.proto is the contract, not our encoder.

namespace pb = katameter::v1;
using namespace katameter::wire;

namespace {

bool all_known(const google::protobuf::Message& message) {
  return message.GetReflection()->GetUnknownFields(message).empty();
}

}  // namespace

TEST_CASE("What we encode is what the schema says") {
  const Snapshot ours = sample_snapshot();
  pb::GuestFrame frame;
  REQUIRE(frame.ParseFromString(encode(GuestMessage(ours))));
  REQUIRE(frame.has_snapshot());
  CHECK(all_known(frame));
  const pb::Snapshot& snapshot = frame.snapshot();
  CHECK(all_known(snapshot));
  CHECK(snapshot.boottime_ns() == 123'456'789'012);
  REQUIRE(snapshot.containers_size() == 2);
  CHECK(all_known(snapshot.containers(0)));
  CHECK(snapshot.containers(0).id() == sample_id('a').raw());
  CHECK(snapshot.containers(0).has_oom_kills());
  CHECK(snapshot.containers(0).oom_kills() == 0);
  REQUIRE(snapshot.containers(0).block_devices_size() == 2);
  CHECK(all_known(snapshot.containers(0).block_devices(0)));
  CHECK(snapshot.containers(0).block_devices(0).major() == 253);
  CHECK(snapshot.containers(0).block_devices(0).minor() == 16);
  CHECK(snapshot.containers(0).block_devices(0).writes() == UINT64_MAX);
  CHECK(snapshot.containers(1).removed());
  CHECK_FALSE(snapshot.containers(1).has_memory_usage_bytes());
  CHECK(snapshot.guest().has_workload_cpu_usage_ns());
  CHECK(all_known(snapshot.guest()));
  CHECK(snapshot.guest().has_unattributed_containers());
  CHECK(snapshot.guest().unattributed_containers() == 0);
  CHECK(snapshot.guest().stalls_lost() == ours.guest.stalls_lost);
  CHECK(snapshot.guest().interfaces_unreported() == ours.guest.interfaces_unreported);
  REQUIRE(snapshot.interfaces_size() == 2);
  CHECK(all_known(snapshot.interfaces(0)));
  CHECK(snapshot.interfaces(0).name() == "eth0");
  CHECK(snapshot.interfaces(0).transmit_dropped() == 7);
  REQUIRE(snapshot.disks_size() == 2);
  CHECK(all_known(snapshot.disks(0)));
  CHECK(snapshot.disks(0).minor() == 16);
  CHECK(snapshot.disks(0).weighted_io_ms() == ours.disks[0].weighted_io_ms);
  REQUIRE(snapshot.volumes_size() == 2);
  CHECK(all_known(snapshot.volumes(0)));
  CHECK(snapshot.volumes(0).name() == "/cache");
  CHECK(snapshot.volumes(0).free_inodes() == 3);
}

TEST_CASE("Every container figure has the field of its name") {
  const auto* descriptor = pb::Container::descriptor();
  for (const ContainerFigure& figure : container_figures) {
    INFO(figure.name);
    const auto* field = descriptor->FindFieldByNumber(static_cast<int>(figure.field));
    REQUIRE(field != nullptr);
    CHECK(field->name() == figure.name);
  }
  // And the schema has no figure that the table lacks: fields from 16 on are figures.
  int figures = 0;
  for (int i = 0; i < descriptor->field_count(); ++i) figures += descriptor->field(i)->number() >= 16 ? 1 : 0;
  CHECK(figures == static_cast<int>(container_figures.size()));
}

TEST_CASE(
    "Every figure of the guest, an interface, a block device, a disk and a volume has the field of its name, and none "
    "is missing") {
  const auto check = [](const google::protobuf::Descriptor& descriptor, const auto& table) {
    for (const auto& figure : table) {
      INFO(figure.name);
      const auto* field = descriptor.FindFieldByNumber(static_cast<int>(figure.field));
      REQUIRE(field != nullptr);
      CHECK(field->name() == figure.name);
    }
    return static_cast<int>(table.size());
  };
  const auto& guest = *pb::Guest::descriptor();
  CHECK(check(guest, guest_figures) == guest.field_count());
  const auto& link = *pb::Interface::descriptor();
  CHECK(check(link, interface_figures) + 1 == link.field_count());  // and the name
  const auto& device = *pb::BlockDevice::descriptor();
  CHECK(check(device, block_device_figures) + 2 == device.field_count());  // and the two parts of its number
  const auto& disk = *pb::Disk::descriptor();
  CHECK(check(disk, disk_figures) + 2 == disk.field_count());
  const auto& volume = *pb::Volume::descriptor();
  CHECK(check(volume, volume_figures) + 3 == volume.field_count());  // and the mount point and the device
}

TEST_CASE("What protoc's code encodes, we decode") {
  pb::GuestFrame frame;
  pb::OomEvent& event = *frame.mutable_oom_event();
  event.set_sequence(9);
  event.set_container_id(std::string(sample_id('d').raw()));
  event.set_victim_pid(77);
  event.set_victim_comm("java");
  event.set_victim_anon_bytes(4096);
  event.set_memory_limit_bytes(1 << 20);
  const auto message = decode_guest_message(frame.SerializeAsString());
  REQUIRE(message);
  const auto& decoded = std::get<OomEvent>(*message);
  CHECK(decoded.container == sample_id('d'));
  CHECK(decoded.victim_pid == 77);
  CHECK(decoded.victim_anon_bytes == 4096);

  pb::HostFrame host;
  host.mutable_hello()->set_protocol(1);
  host.mutable_hello()->set_version("9");
  const auto hello = decode_host_message(host.SerializeAsString());
  REQUIRE(hello);
  CHECK(std::get<Hello>(*hello).version == "9");
}

TEST_CASE("Our Hello, OOM events and refusals leave no field of the schema unread") {
  for (const GuestMessage& message :
       {GuestMessage(sample_hello()), GuestMessage(sample_oom_event()), GuestMessage(sample_refusal())}) {
    pb::GuestFrame frame;
    REQUIRE(frame.ParseFromString(encode(message)));
    const auto* field = frame.GetReflection()->GetOneofFieldDescriptor(frame, frame.GetDescriptor()->oneof_decl(0));
    REQUIRE(field != nullptr);
    const google::protobuf::Message& body = frame.GetReflection()->GetMessage(frame, field);
    std::vector<const google::protobuf::FieldDescriptor*> set;
    body.GetReflection()->ListFields(body, &set);
    CHECK(static_cast<int>(set.size()) == body.GetDescriptor()->field_count());
  }
}
