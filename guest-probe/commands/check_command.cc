#include <fmt/core.h>

#include <iostream>

#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/startup.h"
#include "userspace/bpf/kernel_facts.h"

namespace katameter {
namespace {

void print(const std::string& name, bool found, const std::string& loses, const std::string& remedy) {
  std::cout << fmt::format("{:<28}{}\n", name, found ? "found" : "NOT FOUND");
  if (!found) std::cout << fmt::format("    lost: {}\n    do:   {}\n", loses, remedy);
}

}  // namespace

int check_command(std::size_t containers, bool schedstat) {
  const GuestPlan plan = plan_guest(read_kernel_facts(), schedstat);
  for (const Need& need : plan.needs) print(need.name, need.found, need.loses, need.remedy);
  if (!plan.works()) {
    std::cout << "nothing works\n";
    return exit_status::failed;
  }
  const Result<GuestProbe> probe = start_guest_probe(containers, "", schedstat);
  if (!probe) {
    print("programs load and attach", false, "everything", probe.error().text);
    std::cout << "nothing works\n";
    return exit_status::failed;
  }
  print("programs load and attach", true, "", "");
  print("comparison with the files", probe->check_failure.empty(), "the certainty that the figures are the kernel's",
        probe->check_failure);
  std::cout << fmt::format("{:<28}{} KiB of the kernel's memory\n", "its maps take",
                           probe->programs->kernel_bytes() / 1024);
  bool refused = false;
  for (const Refusal& refusal : probe->refusals) {
    if (refusal.absent) {
      std::cout << fmt::format("{:<28}absent: {}\n", refusal.figure, refusal.text);
      continue;
    }
    refused = true;
    print(refusal.figure, false, "this figure: " + refusal.text, "report this kernel and its configuration to us");
  }
  for (const std::string& lack : probe->sources_lacking) std::cout << lack << '\n';
  const bool complete = plan.complete() && probe->sources_lacking.empty() && !refused && probe->check_failure.empty();
  std::cout << (complete ? "everything is there\n" : "works in part\n");
  return complete ? exit_status::done : exit_status::in_part;
}

}  // namespace katameter
