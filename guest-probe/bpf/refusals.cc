#include "guest-probe/bpf/refusals.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "guest-probe/bpf/loader.h"
#include "guest-probe/bpf/plan.h"
#include "userspace/bpf/load.h"
#include "userspace/log.h"

#include <guest.skel.h>  // after the records that it has

// What happens where the kernel refuses a part of the object; the steps are in loader.cc.
namespace katameter::guest {
namespace {

// The NAME of the last "libbpf: prog 'NAME': ..." or "libbpf: map 'NAME': ..." whose rest begins so.
std::string_view find_name(std::string_view printed, std::string_view kind, std::string_view rest) {
  const std::string before = fmt::format("{} '", kind);
  const std::string after = fmt::format("': {}", rest);
  const std::size_t end = printed.rfind(after);
  if (end == std::string_view::npos) return {};
  const std::size_t start = printed.rfind(before, end);
  if (start == std::string_view::npos) return {};
  const std::string_view name = printed.substr(start + before.size(), end - start - before.size());
  return name.find('\'') == std::string_view::npos ? name : std::string_view();
}

// What it also says on success is not a reason.
bool gives_reason(const std::vector<std::string>& log) {
  return std::any_of(log.begin(), log.end(), [](std::string_view line) {
    return !line.starts_with("processed ") && !line.starts_with("verification time ") &&
           !line.starts_with("stack depth ");
  });
}

std::string_view doing(KernelRefusal::Step step) {
  switch (step) {
    case KernelRefusal::Step::create: return "making";
    case KernelRefusal::Step::load: return "loading";
    case KernelRefusal::Step::attach: return "attaching";
    case KernelRefusal::Step::run: break;
  }
  return "running";
}

// What the verifier says of a program is some lines; with every instruction of one that is to be explained, much more.
constexpr std::size_t log_bytes = 65536;
constexpr std::size_t explained_log_bytes = 1048576;

// The section of a program that is an iterator over a map's elements.
constexpr std::string_view map_iterator = "iter/bpf_map_elem";

// Whether any program that is one is taken at all: r0 = 0; exit.
bool kernel_iterates_maps() {
  const int target = libbpf_find_vmlinux_btf_id("bpf_map_elem", BPF_TRACE_ITER);
  if (target < 0) return false;
  const std::array nothing{instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
                           instruction(BPF_JMP | BPF_EXIT, 0, 0, 0)};
  bpf_prog_load_opts options{};
  options.sz = sizeof(options);
  options.expected_attach_type = BPF_TRACE_ITER;
  options.attach_btf_id = static_cast<std::uint32_t>(target);
  const Fd program(
      bpf_prog_load(BPF_PROG_TYPE_TRACING, "katameter_try", "GPL", nothing.data(), nothing.size(), &options));
  return static_cast<bool>(program);
}

}  // namespace

std::string describe(const KernelRefusal& refusal) {
  return fmt::format("{} {}: {}", doing(refusal.step), refusal.part, std::strerror(refusal.code));
}

std::string remedy_of(const KernelRefusal& refusal) {
  // Before 5.11 maps are charged to the limit of locked memory, and what is beyond it is EPERM.
  if (refusal.step == KernelRefusal::Step::create && refusal.code == EPERM) {
    return "start it as root or with CAP_BPF and CAP_SYS_RESOURCE, which lifts the limit of locked memory";
  }
  if (refusal.code == ENOMEM) return "give the guest more memory, or lower --max-containers";
  // The verifier, too, says EACCES and EPERM; but with words.
  if (gives_reason(refusal.log) || refusal.code == E2BIG) {
    return "this kernel's verifier does not take the program: report the kernel and the lines of guest-probe check to "
           "us";
  }
  if (refusal.code == EPERM || refusal.code == EACCES) {
    return "start it as root or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE; if it is, something in this kernel "
           "(an LSM, a patch) refuses such programs: report the kernel to us";
  }
  if (refusal.code == ENOENT || refusal.code == ESRCH) {
    return "this kernel does not have what the program needs: report the kernel and its configuration to us";
  }
  return "report this kernel and its configuration to us; --log.level=debug shows what libbpf says";
}

std::vector<std::string> last_lines(std::string_view log) {
  std::vector<std::string> lines;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(line.size() + 1, log.size()));
    if (line.empty()) continue;
    if (lines.size() == max_log_lines) lines.erase(lines.begin());
    lines.emplace_back(line);
  }
  return lines;
}

std::optional<KernelRefusal> find_refusal(std::string_view printed, int code) {
  if (const std::string_view map = find_name(printed, "map", "failed to create: "); !map.empty()) {
    return KernelRefusal{std::string(map), KernelRefusal::Step::create, code, {}};
  }
  // Relocating comes before loading, and nothing is loaded after what failed.
  for (const std::string_view rest : {"failed to load: ", "failed to relocate ", "relo #"}) {
    const std::string_view program = find_name(printed, "prog", rest);
    if (!program.empty()) return KernelRefusal{std::string(program), KernelRefusal::Step::load, code, {}};
  }
  return std::nullopt;
}

namespace {

std::string* saved_warnings = nullptr;

std::string format_text(const char* format, std::va_list arguments) {
  char* text = nullptr;
  const int size = vasprintf(&text, format, arguments);
  if (size < 0) return {};
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  return {text, static_cast<std::size_t>(size)};
}

int take_line(libbpf_print_level level, const char* format, std::va_list arguments) {
  const bool keep = saved_warnings != nullptr && level == LIBBPF_WARN;
  if (!keep && !log_enabled(LogLevel::debug)) return 0;
  const std::string text = format_text(format, arguments);
  if (keep) *saved_warnings += text;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (!line.empty()) log_debug("{}", line);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return 0;
}

}  // namespace

void send_libbpf_to_log() {
  libbpf_set_print(take_line);
}

LibbpfWarnings::LibbpfWarnings() {
  saved_warnings = &text_;
}

LibbpfWarnings::~LibbpfWarnings() {
  saved_warnings = nullptr;
}

// What was attached goes; what was pinned of this load, reuse_pinned_maps() removes.
void GuestLoader::begin_again() {
  ::guest::destroy(skeleton_);
  skeleton_ = nullptr;
  programs_ = GuestPrograms();
  generation_ = 1;
  refusal_.reset();
}

tl::unexpected<Error> GuestLoader::refused(KernelRefusal refusal) {
  const std::string text = fmt::format("the kernel refuses what guest-probe cannot work without: {}; {}",
                                       describe(refusal), remedy_of(refusal));
  const int code = refusal.code;
  refusal_ = std::move(refusal);
  return tl::make_unexpected(Error{code, text});
}

// Another form of the same programs first, for which nothing is lost; false if nothing works without what was refused.
bool GuestLoader::go_on_without(const KernelRefusal& refusal) {
  const bool loading = refusal.step == KernelRefusal::Step::load;
  const bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, refusal.part.c_str());
  const bool over_map = program != nullptr && std::string_view(bpf_program__section_name(program)) == map_iterator;
  KernelRefusal less = refusal;
  if (over_map && !plan_.requests_by_task && (options_.faults.map_iterators || !kernel_iterates_maps())) {
    less.part = map_iterators_part;
  } else if (plan_.reads_directly && loading && (program == nullptr || refusal.part.starts_with("collect_"))) {
    less.part = direct_reads_part;
  } else if (!impact_without(refusal.part)) {
    for (const std::string& line : refusal.log) log_error("the kernel says: {}", line);
    return false;
  } else if (options_.explain && loading && explained_ != refusal.part) {
    explained_ = refusal.part;
    unexplained_ = refusal;
    return true;
  }
  if (less.part == refusal.part) {
    log_debug("{}: all is loaded again without", describe(refusal));
  } else {
    log_info("{}: all is loaded again without {}; nothing is lost by that", describe(refusal), less.part);
  }
  plan_ = plan_without(plan_, std::move(less));
  return true;
}

// Each has its own: a program that was never verified must not show the log of the one before it. BPF_LOG_STATS alone
// brings errors and sums; without a buffer libbpf would load a refused program again and again for a log of many MiB.
void GuestLoader::take_logs() {
  constexpr std::uint32_t instructions = 1;
  constexpr std::uint32_t sums = 4;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    if (!bpf_program__autoload(program)) continue;
    const bool explained = bpf_program__name(program) == explained_;
    Log& log = logs_[bpf_program__name(program)];
    log.size = explained ? explained_log_bytes : log_bytes;
    log.text = std::make_unique_for_overwrite<char[]>(log.size);
    log.text[0] = '\0';
    bpf_program__set_log_buf(program, log.text.get(), log.size);
    bpf_program__set_log_level(program, explained ? instructions | sums : sums);
  }
}

std::vector<std::string> GuestLoader::log_of(std::string_view program) const {
  const auto found = logs_.find(program);
  if (found == logs_.end()) return {};
  return last_lines({found->second.text.get(), strnlen(found->second.text.get(), found->second.size)});
}

// A call of a function that no kernel has stands where a program would end.
void GuestLoader::spoil_programs() {
  const LoadFaults& faults = options_.faults;
  if (faults.load.empty() && !faults.direct_reads && !faults.map_iterators) return;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    const std::string_view name = bpf_program__name(program);
    const bool spoiled = faults.load.contains(without_form(name)) ||
                         (faults.direct_reads && plan_.reads_directly && name.starts_with("collect_")) ||
                         (faults.map_iterators && bpf_program__section_name(program) == map_iterator);
    if (!spoiled) continue;
    const std::span code(const_cast<bpf_insn*>(bpf_program__insns(program)), bpf_program__insn_cnt(program));
    for (std::size_t i = 1; i < code.size(); ++i) {
      if (code[i].code != (BPF_JMP | BPF_EXIT)) continue;
      // As a rule r0 is set just before.
      bpf_insn& before = code[i - 1];
      const bool sets_result = before.code == (BPF_ALU64 | BPF_MOV | BPF_K) && before.dst_reg == BPF_REG_0;
      (sets_result ? before : code[i]) = instruction(BPF_JMP | BPF_CALL, 0, 0, 0x7fffff);
    }
  }
}

Status GuestLoader::load_object() {
  if (pins_ == nullptr) skeleton_->rodata->generation = generation_;
  take_logs();
  spoil_programs();
  const LibbpfWarnings warnings;
  const int status = ::guest::load(skeleton_);
  if (status == 0) {
    for (const auto& [program, log] : logs_) log_debug("{}: {}", program, fmt::join(log_of(program), "; "));
    logs_.clear();
    return {};
  }
  std::optional<KernelRefusal> refusal = find_refusal(warnings.text(), -status);
  if (!refusal && !plan_.reads_directly) {
    return system_failure("cannot load the BPF programs (--log.level=debug shows what libbpf says)", -status);
  }
  if (!refusal) refusal = KernelRefusal{"", KernelRefusal::Step::load, -status, {}};
  refusal->log = log_of(refusal->part);
  // There was no room for all that explains it.
  if (refusal->part == explained_ && refusal->code == ENOSPC) refusal = unexplained_;
  logs_.clear();
  return refused(*std::move(refusal));
}

}  // namespace katameter::guest
