#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "guest-probe/account/figure_sources.h"
#include "guest-probe/bpf/plan.h"
#include "guest-probe/commands/startup.h"
#include "tests/vm/cgroup_files.h"
#include "tests/vm/workload.h"

// A kernel that does not take one of our programs: it is made to refuse each in turn.
using namespace katameter;
using namespace katameter::guest;

namespace {

using Names = std::set<std::string, std::less<>>;

Names names_of(FigureSet figures) {
  Names names;
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (figures.has(i)) names.emplace(wire::container_figures[i].name);
  }
  return names;
}

const Names cpu_times = names_of({FigureGroup::cpu});
const Names cpu_limits = names_of({FigureGroup::bandwidth, FigureGroup::pids, FigureGroup::cpuset});
const Names memory = names_of({FigureGroup::memory, FigureGroup::reclaim});
const Names pressure = names_of({FigureGroup::pressure});
const Names schedstat = names_of({FigureGroup::schedstat, FigureGroup::io_calls});
const Names stalls = names_of({FigureGroup::reclaim});
const Names virtiofs = names_of({FigureGroup::virtiofs, FigureGroup::virtiofs_answers});
const Names virtiofs_answers = names_of({FigureGroup::virtiofs_answers});

// Those of memory.stat.
Names stat_names(bool v2) {
  FigureSet figures;
  for (std::size_t i = 0; i < figure::count; ++i) {
    if (stat_of(i, v2) >= 0) figures.add(i);
  }
  return names_of(figures);
}

Names operator+(Names one, const Names& other) {
  one.insert(other.begin(), other.end());
  return one;
}

// Which figures of a container hang on a program. Each there is has to be here.
std::map<std::string, Names, std::less<>> figures_of_programs(bool v2) {
  const Names stat = stat_names(v2);
  return {
      {"learn_cpu_offset", cpu_times + stat + pressure + (v2 ? cpu_limits : Names{})},
      {"learn_new_cpu", {}},
      {"collect_cpu", v2 ? Names{} : cpu_times + cpu_limits},
      {"collect_unified", cpu_times + cpu_limits},
      {"collect_memory", memory},
      {"collect_pressure", pressure},
      {"find_stats", stat},
      {"copy_stats", stat},  // loaded where the tables' addresses cannot be had
      {"note_removal", stalls + virtiofs},
      {"note_mkdir", {}},  // the oldest process stands in
      {"walk_tasks", schedstat + names_of({FigureGroup::processes})},
      {"note_task_end", schedstat},
      {"walk_sched_sums", schedstat},
      {"note_request", virtiofs},
      {"note_answer", virtiofs_answers},
      {"note_victim", {}},
      {"note_victim_pid", {}},
      {"memcg_reclaim_begin", stalls},
      {"memcg_reclaim_end", stalls},
      {"direct_reclaim_begin", stalls},
      {"direct_reclaim_end", stalls},
  };
}

struct Seen {
  Names figures;                  // that a living container has
  bool reported_removed = false;  // one that was just removed has its row
  bool guest_cpu = false;
  std::vector<std::string> missing;
};

Names figures_of(const wire::Container& row) {
  Names names;
  for (const wire::ContainerFigure& figure : wire::container_figures) {
    if (row.*figure.value) names.emplace(figure.name);
  }
  return names;
}

// Starts, which compares each figure with the kernel's file, and looks at what is there then.
Seen look(const GuestProbe& probe) {
  Seen seen;
  INFO(probe.check_failure);
  CHECK(probe.check_failure.empty());
  const TestCgroup cgroup('a');
  Workload workload(cgroup);
  workload.burn_cpu_ms(5);
  workload.touch_anonymous(20);
  workload.read_file(1);  // on the guest's root, which is virtiofs
  TestCgroup gone('b');
  { Workload(gone).burn_cpu_ms(5); }
  gone.remove();
  const CpuFile before = CpuFile::read(cgroup);
  const auto snapshot = probe.collector->collect(1);
  const CpuFile after = CpuFile::read(cgroup);
  REQUIRE(snapshot);
  for (const wire::Container& row : snapshot->containers) {
    if (row.id.hex() == gone.id()) seen.reported_removed = row.removed;
    if (row.id.hex() != cgroup.id()) continue;
    seen.figures = figures_of(row);
    if (row.cpu_usage_ns) CHECK(lies_between(before, *row.cpu_usage_ns, after));
  }
  CHECK_FALSE(seen.figures.empty());
  seen.guest_cpu = snapshot->guest.cpu_usage_ns.has_value();
  seen.missing = make_hello(probe).lacks;
  return seen;
}

constexpr std::size_t containers = 50;

Seen look(const LoadOptions& options) {
  const Result<GuestProbe> probe = start_guest_probe(containers, "", {.schedstat = true}, options);
  INFO((probe ? "" : probe.error().text));
  REQUIRE(probe);
  return look(*probe);
}

bool is_missing(const std::vector<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

// Those of one form, each once.
std::vector<std::string> all_programs() {
  const auto names = GuestPrograms::names();
  REQUIRE(names);
  std::vector<std::string> programs;
  for (const std::string& name : *names) {
    if (!name.ends_with(task_form)) programs.push_back(name);
  }
  return programs;
}

LoadOptions refusing(const std::string& program) {
  LoadOptions options;
  options.faults.load = {program};
  return options;
}

// Most are loaded in every guest.
bool is_loaded(const GuestPlan& plan, const std::string& program) {
  if (program == "collect_cpu") return !plan.unified;
  if (program == "collect_unified") return plan.unified;
  if (program == "collect_pressure") return plan.pressure;
  if (program == "note_victim") return !plan.victim_by_pid;
  if (program == "note_victim_pid") return plan.victim_by_pid;
  if (program == "copy_stats") return plan.resolves_stats;
  if (program == "note_request") return plan.virtiofs;
  if (program == "note_answer") return plan.virtiofs_answers;
  return true;
}

}  // namespace

TEST_CASE("A program that the kernel refuses costs the figures that hang on it and no other", "[any][refused]") {
  const GuestPlan plan = plan_guest(read_kernel_facts(), {.schedstat = true});
  const Seen whole = look(LoadOptions{});
  REQUIRE(whole.reported_removed);
  REQUIRE(whole.guest_cpu);
  const auto table = figures_of_programs(plan.unified);
  for (const std::string& program : all_programs()) {
    INFO(program);
    if (program == "collect_names") {  // nothing works without
      const auto probe = start_guest_probe(containers, "", {.schedstat = true}, refusing(program));
      REQUIRE_FALSE(probe);
      CHECK(probe.error().text.find(program) != std::string::npos);
      continue;
    }
    const auto hanging = table.find(program);
    REQUIRE(hanging != table.end());
    if (!is_loaded(plan, program)) continue;
    const Seen seen = look(refusing(program));
    Names left = whole.figures;
    for (const std::string& figure : hanging->second) left.erase(figure);
    CHECK(is_missing(seen.missing, "program " + program));
    CHECK(seen.figures == left);
    CHECK(seen.reported_removed == (program != "note_removal"));
    CHECK(seen.guest_cpu == left.contains("cpu_usage_ns"));
  }
}

TEST_CASE("A program that cannot be attached costs as much as one that does not load", "[any][refused][attached]") {
  const KernelFacts facts = read_kernel_facts();
  const GuestPlan plan = plan_guest(facts, {.schedstat = true});
  const Names never_attached{"learn_cpu_offset", "find_stats"};
  for (const std::string& program : all_programs()) {
    INFO(program);
    LoadOptions options;
    options.faults.attach = {program};
    if (never_attached.contains(program) || !is_loaded(plan, program)) continue;
    auto programs = GuestPrograms::load(plan, containers, nullptr, options);
    CHECK(programs.has_value() == (program != "collect_names"));
    if (!programs) continue;
    const GuestPlan left = programs->take_plan();
    REQUIRE(left.refused.size() == 1);
    CHECK(left.refused.front().part == program);
    CHECK(left.refused.front().step == KernelRefusal::Step::attach);
    CHECK(left.requirements.size() == plan.requirements.size() + 1);
  }
}

TEST_CASE("What was refused is reported with the verifier's last words, and with the instructions where asked for",
          "[any][refused]") {
  const GuestPlan plan = plan_guest(read_kernel_facts());
  LoadOptions options = refusing("note_mkdir");
  const auto words_of = [&] {
    auto programs = GuestPrograms::load(plan, containers, nullptr, options);
    REQUIRE(programs);
    const GuestPlan left = programs->take_plan();
    REQUIRE(left.refused.size() == 1);
    std::string words;
    for (const std::string& line : left.requirements.back().log) words += line + "\n";
    return words;
  };
  const std::string words = words_of();
  INFO(words);
  CHECK(words.starts_with("loading note_mkdir: Invalid argument\n"));
  CHECK(words.find("invalid func") != std::string::npos);
  CHECK(words.find("(85) call") == std::string::npos);
  options.explain = true;
  const std::string explained = words_of();
  INFO(explained);
  CHECK(explained.find("(85) call") != std::string::npos);
}

TEST_CASE("Where walks by loads are refused, all figures come by calls", "[any][refused]") {
  const Seen whole = look(LoadOptions{});
  LoadOptions options;
  options.faults.direct_reads = true;
  const Result<GuestProbe> probe = start_guest_probe(containers, "", {.schedstat = true}, options);
  REQUIRE(probe);
  CHECK_FALSE(probe->plan.reads_directly);
  const Seen seen = look(*probe);
  CHECK(seen.figures == whole.figures);
  CHECK(seen.missing == whole.missing);
}

TEST_CASE("Where iterators over maps are refused, those over tasks give the same figures", "[any][refused]") {
  const Seen whole = look(LoadOptions{});
  LoadOptions options;
  options.faults.map_iterators = true;
  const Result<GuestProbe> probe = start_guest_probe(containers, "", {.schedstat = true}, options);
  REQUIRE(probe);
  CHECK(probe->plan.requests_by_task);
  CHECK(probe->plan.reads_directly == probe->plan.facts.direct_reads);
  const Seen seen = look(*probe);
  Names left = whole.figures;
  for (const std::string& figure : schedstat) left.erase(figure);
  CHECK(seen.figures == left);
  CHECK(is_missing(seen.missing, "scheduler statistics"));

  // More turns than there are tasks.
  for (int turn = 0; turn < 500; ++turn) {
    const auto walk = probe->programs->walk_memory();
    REQUIRE(walk);
    REQUIRE(walk->complete);
    REQUIRE_FALSE(walk->rows.empty());
  }
}

TEST_CASE("With what is kept in the BPF file system a refused program is left out as well", "[any][refused]") {
  const std::string directory = "/sys/fs/bpf/katameter-refused";
  LoadOptions options;
  options.faults.attach = {"note_mkdir"};
  options.faults.load = {"note_task_end"};
  {
    const Result<GuestProbe> probe = start_guest_probe(containers, directory, {.schedstat = true}, options);
    INFO((probe ? "" : probe.error().text));
    REQUIRE(probe);
    REQUIRE(probe->pin_failure.empty());
    const std::string found = "find " + directory + " -name ";
    CHECK(std::system((found + "note_removal | grep -q .").c_str()) == 0);
    CHECK(std::system((found + "note_mkdir | grep -q .").c_str()) != 0);
    CHECK(std::system((found + "note_task_end | grep -q .").c_str()) != 0);
    const Seen seen = look(*probe);
    CHECK(is_missing(seen.missing, "program note_mkdir"));
    CHECK(is_missing(seen.missing, "program note_task_end"));
  }
  std::system((std::string(GUEST_PROBE) + " detach --pin-dir " + directory + " >/dev/null 2>&1").c_str());
  std::system(("rm -rf " + directory).c_str());
}
