#pragma once

#include <string>

namespace katameter {

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

}  // namespace katameter
