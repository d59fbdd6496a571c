#include <fmt/core.h>

#include <cstring>
#include <iostream>

#include "guest-probe/bpf/facts.h"
#include "guest-probe/bpf/plan.h"
#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/startup.h"

namespace katameter::guest {
namespace {

void print(const Requirement& requirement) {
  const char* state = requirement.log.empty() ? "NOT FOUND" : "REFUSED";
  std::cout << fmt::format("{:<28}{}\n", requirement.name, requirement.found ? "found" : state);
  if (requirement.found) return;
  std::cout << fmt::format("    lost: {}\n    do:   {}\n", requirement.impact, requirement.remedy);
  for (const std::string& line : requirement.log) std::cout << fmt::format("    kernel: {}\n", line);
}

void print(const std::string& name, bool found, const std::string& impact, const std::string& remedy) {
  print(Requirement{name, found, impact, remedy, {}});
}

// Nothing is lost where another form does the same.
void print_other_forms(const GuestPlan& plan) {
  for (const KernelRefusal& refusal : plan.refused) {
    if (impact_without(refusal.part) != "") continue;
    std::cout << fmt::format("{:<28}refused: {}; done in another way\n", refusal.part, std::strerror(refusal.code));
    for (const std::string& line : refusal.log) std::cout << fmt::format("    kernel: {}\n", line);
  }
}

}  // namespace

int check_command(std::size_t containers, const Wanted& wanted) {
  const GuestPlan found = plan_guest(read_kernel_facts(), wanted);
  if (!found.works()) {
    for (const Requirement& requirement : found.requirements) print(requirement);
    std::cout << "nothing works\n";
    return exit_status::failed;
  }
  const Result<GuestProbe> probe = start_guest_probe(containers, "", wanted, LoadOptions{true, {}});
  const GuestPlan& plan = probe ? probe->plan : found;
  for (const Requirement& requirement : plan.requirements) print(requirement);
  if (!probe) {
    print("programs load and attach", false, "everything", probe.error().text);
    std::cout << "nothing works\n";
    return exit_status::failed;
  }
  print_other_forms(plan);
  print("programs load and attach", true, "", "");
  print("comparison with the files", probe->check_failure.empty(), "the certainty that the figures are the kernel's",
        probe->check_failure);
  if (probe->resolver->compares_later()) std::cout << compares_later_text << '\n';
  std::cout << fmt::format("{:<28}{} KiB of the kernel's memory\n", "its maps take",
                           probe->programs->kernel_bytes() / 1024);
  bool refused = false;
  for (const Mismatch& mismatch : mismatches_of(*probe)) {
    if (mismatch.absent) {
      std::cout << fmt::format("{:<28}absent: {}\n", mismatch.figure, mismatch.text);
      continue;
    }
    refused = true;
    print(mismatch.figure, false, "this figure: " + mismatch.text, mismatch.remedy);
  }
  for (const std::string& line : probe->missing_sources) std::cout << line << '\n';
  const bool complete = plan.complete() && probe->missing_sources.empty() && !refused && probe->check_failure.empty();
  std::cout << (complete ? "everything is there\n" : "works in part\n");
  return complete ? exit_status::done : exit_status::in_part;
}

}  // namespace katameter::guest
