#pragma once

#include <optional>
#include <string_view>

namespace katameter {

/// What is lost where the kernel refuses a program or a map of the guest's BPF object; nothing for one without which
/// guest-probe cannot work. Both forms of a program that runs on request (bpf/lib/request.bpf.h) are one.
std::optional<std::string_view> lost_without(std::string_view part);

/// The name of a program that runs on request without what marks its second form.
std::string_view without_form(std::string_view program);

/// "collect_cpu_by_task": the second form of `program`.
inline constexpr std::string_view task_form = "_by_task";

/// Not programs, but refused like them; then the other form is loaded, and nothing is lost.
inline constexpr std::string_view direct_reads_part = "direct reads";    // bpf/read.bpf.h
inline constexpr std::string_view map_iterators_part = "map iterators";  // bpf/lib/request.bpf.h

}  // namespace katameter
