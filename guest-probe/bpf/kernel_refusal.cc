#include "guest-probe/bpf/kernel_refusal.h"

#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "userspace/log.h"

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

// What it says on success as well tells no reason.
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
    return "this kernel lacks what the program stands on: report the kernel and its configuration to us";
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

}  // namespace katameter::guest
