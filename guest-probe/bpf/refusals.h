#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace katameter::guest {

/// A program or map that the running kernel did not take.
struct KernelRefusal {
  enum class Step { create, load, attach, run };

  std::string part;  ///< its name in the BPF object
  Step step = Step::load;
  int code = 0;                  ///< errno
  std::vector<std::string> log;  ///< the verifier's last lines, max_log_lines of them; empty: it was not asked
};

inline constexpr std::size_t max_log_lines = 10;

/// "loading collect_cpu: Permission denied"
std::string describe(const KernelRefusal& refusal);

/// What to do about it: rights, memory and the verifier's no have different remedies.
std::string remedy_of(const KernelRefusal& refusal);

/// The last lines of the verifier's log, max_log_lines of them; empty ones left out.
std::vector<std::string> last_lines(std::string_view log);

/// Which program or map made a load fail, out of what libbpf printed meanwhile (bpf_object__load_progs(),
/// bpf_object__create_maps()), and the errno of it. Nothing if it names none.
std::optional<KernelRefusal> find_refusal(std::string_view printed, int code);

/// From here on what libbpf says goes to our log at the level debug, a line each. Where that level is off nothing is
/// formatted.
void send_libbpf_to_log();

/// Keeps libbpf's warnings, which have the verifier's log in them, for the life of the object; one at a time. For the
/// thread that calls libbpf.
class LibbpfWarnings {
 public:
  LibbpfWarnings();
  ~LibbpfWarnings();
  LibbpfWarnings(const LibbpfWarnings&) = delete;
  LibbpfWarnings& operator=(const LibbpfWarnings&) = delete;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace katameter::guest
