#include "guest-probe/bpf/refusals.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <string>

#include "guest-probe/bpf/plan.h"
#include "guest-probe/bpf/programs.h"

using namespace katameter;
using namespace katameter::guest;

// As libbpf 1.1 prints them.
TEST_CASE("What libbpf prints names which program or map the kernel refused") {
  const auto program = find_refusal(
      "libbpf: prog 'note_mkdir': BPF program load failed: Permission denied\n"
      "libbpf: prog 'note_mkdir': failed to load: -13\n"
      "libbpf: failed to load object 'guest'\n",
      EACCES);
  REQUIRE(program);
  CHECK(program->part == "note_mkdir");
  CHECK(program->step == KernelRefusal::Step::load);
  CHECK(program->code == EACCES);

  const auto map = find_refusal(
      "libbpf: Error in bpf_create_map_xattr(stall_sums):Cannot allocate memory(-12). Retrying without BTF.\n"
      "libbpf: map 'stall_sums': failed to create: Cannot allocate memory(-12)\n",
      ENOMEM);
  REQUIRE(map);
  CHECK(map->part == "stall_sums");
  CHECK(map->step == KernelRefusal::Step::create);

  // No BTF type of the tracepoint; and before the load, a relocation that cannot be made.
  const auto target = find_refusal(
      "libbpf: prog 'note_removal': failed to find kernel BTF type ID of 'cgroup_rmdir': -3\n"
      "libbpf: prog 'note_removal': failed to prepare load attributes: -3\n"
      "libbpf: prog 'note_removal': failed to load: -3\n",
      ESRCH);
  REQUIRE(target);
  CHECK(target->part == "note_removal");
  const auto relocation = find_refusal("libbpf: prog 'find_stats': relo #2: failed to relocate: -22\n", EINVAL);
  REQUIRE(relocation);
  CHECK(relocation->part == "find_stats");

  CHECK_FALSE(find_refusal("", EPERM));
  CHECK_FALSE(
      find_refusal("libbpf: extern (func ksym) 'bpf_rdonly_cast': not found in kernel or module BTFs\n", ESRCH));
}

TEST_CASE("Of the verifier's log the end is kept") {
  CHECK(last_lines("").empty());
  CHECK(last_lines("one\n\ntwo\n") == std::vector<std::string>{"one", "two"});
  std::string log;
  for (int line = 1; line <= 30; ++line) log += "line " + std::to_string(line) + "\n";
  const auto lines = last_lines(log + "R0 !read_ok");
  REQUIRE(lines.size() == max_log_lines);
  CHECK(lines.front() == "line 22");
  CHECK(lines.back() == "R0 !read_ok");
}

TEST_CASE("What to do about a refusal depends on its kind") {
  const auto remedy = [](KernelRefusal::Step step, int code, std::vector<std::string> log) {
    return remedy_of({"note_mkdir", step, code, std::move(log)});
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  using Step = KernelRefusal::Step;
  CHECK(has(remedy(Step::load, EPERM, {}), "CAP_BPF"));
  CHECK(has(remedy(Step::load, EPERM, {"processed 0 insns (limit 1000000)"}), "CAP_BPF"));
  CHECK(has(remedy(Step::create, EPERM, {}), "locked memory"));
  CHECK(has(remedy(Step::create, ENOMEM, {}), "--max-containers"));
  CHECK(has(remedy(Step::load, EACCES, {"R0 !read_ok", "processed 9 insns"}), "verifier"));
  CHECK(has(remedy(Step::load, E2BIG, {}), "verifier"));
  CHECK(has(remedy(Step::load, ESRCH, {}), "does not have"));
  CHECK(describe({"note_mkdir", Step::attach, EBUSY, {}}) == "attaching note_mkdir: Device or resource busy");
}

TEST_CASE("Both forms of a program that runs on request are one part") {
  CHECK(without_form("collect_cpu_by_task") == "collect_cpu");
  CHECK(without_form("collect_cpu") == "collect_cpu");
  CHECK(impact_without("collect_cpu_by_task") == impact_without("collect_cpu"));
  CHECK_FALSE(impact_without("collect_names"));
  CHECK_FALSE(impact_without("collect_names_by_task"));
}

TEST_CASE("What hangs on a program is known of each, and nothing works without the names alone") {
  const auto names = GuestPrograms::names();
  REQUIRE(names);
  CHECK(names->size() > 20);
  for (const std::string& name : *names) {
    INFO(name);
    CHECK(impact_without(name).has_value() == (without_form(name) != "collect_names"));
  }
}

TEST_CASE("A program's fdinfo shows how often it was skipped, on kernels that count") {
  // 6.12
  CHECK(parse_misses("pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1055\nprog_type:\t26\nprog_jited:\t1\n"
                     "prog_tag:\t0123456789abcdef\nmemlock:\t4096\nprog_id:\t42\nrun_time_ns:\t0\nrun_cnt:\t0\n"
                     "recursion_misses:\t17\nverified_insns:\t9\n") == 17u);
  // 5.10
  CHECK_FALSE(parse_misses("pos:\t0\nprog_type:\t26\nrun_time_ns:\t0\nrun_cnt:\t0\n"));
  CHECK_FALSE(parse_misses(""));
  CHECK_FALSE(parse_misses("recursion_misses:\t"));
}
