#pragma once

#include <string>

namespace katameter {

/// A figure that BPF reads otherwise than the file shows it, and so is not served.
struct Refusal {
  std::string figure;
  std::string text;     ///< both values
  bool absent = false;  ///< the kernel itself does not have it: nothing is wrong
  std::string remedy = "report this kernel and its configuration to us";
};

}  // namespace katameter
