#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "bpf/host/records.h"
#include "host-probe/processes/process_identity.h"

using katameter::host::identify_process;
using katameter::host::ProcessIdentity;
using katameter::host::ProcessKind;
using katameter::host::SandboxId;
using katameter::host::split_command_line;

namespace {

const std::string id_text = "727bec446ca43ddbdff7546481f88aa2c6b79d79c0822ced700367e24cc15a41";

std::optional<ProcessIdentity> identify(const std::string& line) {
  std::string raw = line;
  for (char& c : raw) {
    if (c == ' ') c = '\0';
  }
  raw += '\0';
  return identify_process(split_command_line(raw));
}

ProcessIdentity sandbox(ProcessKind kind, const std::string& id = id_text) {
  return {kind, *SandboxId::from_text(id)};
}

std::string with_id(std::string line, const std::string& id) {
  for (auto at = line.find("ID"); at != std::string::npos; at = line.find("ID", at + id.size())) {
    line.replace(at, 2, id);
  }
  return line;
}

}  // namespace

TEST_CASE("the VMMs of both runtimes are known by their command lines") {
  const std::string line = GENERATE(
      "/usr/bin/qemu-system-x86_64 -name sandbox-ID -uuid 12 -qmp unix:/run/vc/vm/ID/qmp.sock",
      "/usr/bin/qemu-system-x86_64 -name sandbox-ID,debug-threads=on -uuid 12",
      "qemu-system-x86_64 -name sandbox-ID -kernel /vmlinuz", "/usr/bin/stratovirt -name sandbox-ID -uuid 12",
      "/opt/kata/bin/cloud-hypervisor --api-socket /run/vc/vm/ID/clh-api.sock -v",
      "/opt/kata/bin/cloud-hypervisor-upcall --api-socket /run/vc/vm/ID/clh-api.sock",
      "cloud-hypervisor --api-socket /run/kata/ID/ch-api.sock -v --seccomp false",
      "cloud-hypervisor --api-socket=path=/run/kata/ID/ch-api.sock",
      "vmm-of-another-name --api-socket /run/user/1000/run/vc/vm/ID/clh-api.sock",
      "firecracker --api-sock /run/vc/firecracker/ID/root/run/firecracker.socket --config-file c",
      "firecracker --api-sock /run/kata/ID/run/fc.sock", "/firecracker --id ID --start-time-us 1 --config-file c",
      "firecracker --api-sock /run/kata/firecracker/ID/root/run/fc.sock", "openvmm --ttrpc /run/kata/ID/openvmm.sock",
      "kata-qemu -name sandbox-ID,debug-threads=on -kernel /vmlinuz");
  // As CRI runtimes make them, cut by the Go runtime for Firecracker, of a VM of the factory, of `ctr run`.
  const std::string id =
      GENERATE(as<std::string>{}, id_text, id_text.substr(0, 32), "6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1", "foo100");
  INFO(with_id(line, id));
  CHECK(identify(with_id(line, id)) == sandbox(ProcessKind::vmm, id));
}

TEST_CASE("a directory's name counts where a VM's directory is, and nowhere else") {
  const auto vmm = [](const std::string& path) { return identify("cloud-hypervisor --api-socket " + path); };
  CHECK_FALSE(vmm("/run/foo100/ch.sock"));
  CHECK_FALSE(vmm("/run/vc/vm/ch.sock"));
  CHECK_FALSE(vmm("/run/kata/ch.sock"));
  CHECK_FALSE(vmm("ch.sock"));
  CHECK(vmm("/srv/kata/demo/run/vc/vm/foo100/ch.sock") == sandbox(ProcessKind::vmm, "foo100"));
  CHECK(vmm("/run/vc/vm/kata/ch.sock") == sandbox(ProcessKind::vmm, "kata"));
}

TEST_CASE("virtiofsd is known by what it shares, in C and in Rust") {
  const std::string share = "/run/kata-containers/shared/sandboxes/" + id_text;
  CHECK(identify("virtiofsd --syslog -o cache=auto -o no_posix_lock -o source=" + share + "/shared --fd=3 -f") ==
        sandbox(ProcessKind::virtiofsd));
  CHECK(identify("virtiofsd -o cache=auto,source=" + share + "/shared,announce_submounts --fd=3") ==
        sandbox(ProcessKind::virtiofsd));
  CHECK(identify("virtiofsd --syslog --cache=auto --shared-dir=" + share + "/shared --fd=3") ==
        sandbox(ProcessKind::virtiofsd));
  CHECK(identify("virtiofsd --socket-path /run/kata/" + id_text + "/root/virtiofsd.sock --shared-dir " + share +
                 "/ro --cache auto") == sandbox(ProcessKind::virtiofsd));
  CHECK(identify("virtiofsd --shared-dir=/tmp/demo" + share) == sandbox(ProcessKind::virtiofsd));
  CHECK(identify("virtiofsd --shared-dir /run/kata-containers/shared/sandboxes/foo100/shared") ==
        sandbox(ProcessKind::virtiofsd, "foo100"));
}

TEST_CASE("what is no sandbox's is left alone") {
  CHECK_FALSE(identify("qemu-system-x86_64 -name guest=web,debug-threads=on"));
  CHECK_FALSE(identify("qemu-system-x86_64 -name sandbox-"));
  CHECK_FALSE(identify("qemu-system-x86_64 -name sandbox-a/b"));
  CHECK_FALSE(identify("qemu-system-x86_64 -name sandbox-" + id_text + std::string(13, '0')));
  CHECK_FALSE(identify("qemu-system-x86_64 -name"));
  CHECK_FALSE(identify("qemu-system-x86_64"));
  CHECK_FALSE(identify("cloud-hypervisor --api-socket /tmp/ch.sock"));
  CHECK_FALSE(identify("containerd-shim-runc-v2 -namespace k8s.io -id " + id_text));
  CHECK_FALSE(identify("/opt/kata/bin/shim -id " + id_text));
  CHECK_FALSE(identify("virtiofsd --shared-dir=/var/lib/docker/overlay2/" + id_text + "/merged"));
  CHECK_FALSE(identify("virtiofsd -o source=/run/kata-containers/shared/sandboxes//shared"));
  CHECK_FALSE(identify("sandbox-" + id_text));
  CHECK_FALSE(identify(""));
}

TEST_CASE("a shim is known by its sandbox, under any of its names") {
  const std::string rest =
      " -namespace k8s.io -address /run/containerd/containerd.sock -publish-binary containerd -id ";
  for (const std::string name : {"/opt/kata/bin/containerd-shim-kata-v2", "containerd-shim-kata-clh-v2",
                                 "/usr/local/bin/containerd-shim-kata-qemu-v2"}) {
    CHECK(identify(name + rest + id_text) == sandbox(ProcessKind::shim));
    CHECK(identify(name + rest + id_text + " -debug") == sandbox(ProcessKind::shim));
    CHECK(identify(name + rest + "foo100") == sandbox(ProcessKind::shim, "foo100"));
    CHECK(identify(name + " -id " + id_text + " -namespace k8s.io") == sandbox(ProcessKind::shim));
    // These run for a moment, and the id may be a container's.
    CHECK_FALSE(identify(name + rest + id_text + " start"));
    CHECK_FALSE(identify(name + rest + id_text + " -bundle /run/b delete"));
  }
}

// The BPF program that finds shims as they start asks the same function (bpf/host/discovery.bpf.c).
TEST_CASE("one rule says which containerd shim is Kata's") {
  const auto is_kata = [](std::string_view name) { return is_kata_shim_name(name.data(), name.size()) != 0; };
  CHECK(is_kata("containerd-shim-kata-v2"));
  CHECK(is_kata("containerd-shim-kata-qemu-v2"));
  CHECK(is_kata("containerd-shim-kata"));
  CHECK_FALSE(is_kata(std::string_view("containerd-shim-kata-v2").substr(0, 19)));
  CHECK_FALSE(is_kata("containerd-shim-runc-v2"));
  CHECK_FALSE(is_kata("containerd-shim-acme-kata-v2"));
  CHECK_FALSE(is_kata("my-containerd-shim-kata-v2"));
  CHECK_FALSE(is_kata(""));
  CHECK_FALSE(identify("containerd-shim-acme-kata-v2 -namespace k8s.io -id " + id_text));
}

TEST_CASE("a kernel thread says in its name whom it works for") {
  using katameter::host::owner_of_kernel_thread;
  CHECK(owner_of_kernel_thread("vhost-12345") == 12345);
  CHECK(owner_of_kernel_thread("kvm-pit/77") == 77);
  for (const char* name :
       {"vhost-", "vhost-12a", "vhost-0", "vhost-99999999999", "kvm-nx-lpage-re", "kworker/0:1", ""}) {
    CHECK_FALSE(owner_of_kernel_thread(name));
  }
}

TEST_CASE("a command line that was cut off gives nothing wrong") {
  std::string raw = "qemu-system-x86_64 -name sandbox-" + id_text;
  std::ranges::replace(raw, ' ', '\0');
  // Half an id may be a whole one of another's.
  for (std::size_t length = 0; length <= raw.size(); ++length) {
    CHECK_FALSE(identify_process(split_command_line(raw.substr(0, length))));
  }
}

TEST_CASE("arguments are what stands before zero bytes, empty ones too") {
  using namespace std::string_literals;
  const std::string raw = "a\0\0b\0c"s;
  CHECK(split_command_line(raw) == std::vector<std::string_view>{"a", "", "b"});
  CHECK(split_command_line("").empty());
}
