#include <catch2/catch.hpp>

#include "tests/host-probe/support/rendered.h"

using namespace katameter;
using prometheus::MetricType;

TEST_CASE("block I/O has cAdvisor's names, once per device") {
  wire::Container busy = full_container();
  busy.block_devices = {{253, 16, 1, 2, 3, 4}, {7, 0, 5, 0, 6, 0}};
  const Rendered rendered(with_container(busy));
  const std::vector<std::pair<std::string, double>> expected{{"container_fs_reads_bytes_total", 1},
                                                             {"container_fs_writes_bytes_total", 2},
                                                             {"container_fs_reads_total", 3},
                                                             {"container_fs_writes_total", 4}};
  for (const auto& [name, value] : expected) {
    INFO(name);
    CHECK(rendered.value(name, with(container_labels, "device", "/dev/block/253:16")) == value);
    REQUIRE(rendered.family(name) != nullptr);
    CHECK(rendered.family(name)->type == MetricType::Counter);
    CHECK(rendered.family(name)->metric.size() == 2);
  }
  CHECK(rendered.value("container_fs_reads_total", with(container_labels, "device", "/dev/block/7:0")) == 6.0);
  const auto usage = [&](const std::string& operation) {
    const Series labels = with(with(container_labels, "device", "/dev/block/253:16"), "operation", operation);
    return rendered.value("container_blkio_device_usage_total", with(with(labels, "major", "253"), "minor", "16"));
  };
  CHECK(usage("Read") == 1.0);
  CHECK(usage("Write") == 2.0);
}
