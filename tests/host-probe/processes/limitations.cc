#include "host-probe/processes/limitations.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "host-probe/own_metrics/own_metrics.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;

namespace {

std::vector<std::string> reasons(const KernelViews& views) {
  std::vector<std::string> reasons;
  for (const Limitation& limitation : find_limitations(views)) reasons.push_back(limitation.reason);
  return reasons;
}

}  // namespace

TEST_CASE("each thing that limits what is seen of the host has its reason") {
  const katameter::testing::TemporaryDirectory folder;
  const std::string lockdown = folder.path() / "lockdown";
  std::ofstream(lockdown) << "[none] integrity confidentiality\n";
  // A file that is not the initial namespace's, and one that is not there.
  const std::string cpus = folder.path() / "cpus";
  std::ofstream(cpus) << "0-511\n";
  const KernelViews ordinary{folder.path() / "none", "/", lockdown, cpus};
  CHECK(reasons(ordinary).empty());

  KernelViews views = ordinary;
  views.pid_namespace = lockdown;
  CHECK(reasons(views) == std::vector<std::string>{"pid_namespace"});
  views = ordinary;
  views.of_root = folder.path() / "none";
  CHECK(reasons(views) == std::vector<std::string>{"hidepid"});
  views.pid_namespace = lockdown;  // where it has another number, if any
  CHECK(reasons(views) == std::vector<std::string>{"pid_namespace"});
  views = ordinary;
  std::ofstream(cpus) << "0-511,600\n";
  CHECK(reasons(views) == std::vector<std::string>{"cpus"});
  std::ofstream(cpus) << "0\n";
  std::ofstream(lockdown) << "none integrity [confidentiality]\n";
  CHECK(reasons(ordinary) == std::vector<std::string>{"lockdown"});
}

TEST_CASE("a limitation is a series") {
  report_limitations({{"hidepid", "text"}});
  CHECK_THAT(OwnMetrics::of_process().text(), Catch::Contains("katameter_host_limitation{reason=\"hidepid\"} 1"));
}
