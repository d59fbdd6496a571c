#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/result.h"

namespace katameter {

/// One line of the text exposition format.
struct TextSeries {
  std::string name;
  std::map<std::string, std::string, std::less<>> labels;
  double value = 0;

  /// Empty if there is no such label.
  const std::string& label(std::string_view name) const;
};

/// All series of a text exposition; the error names the line that is not one.
Result<std::vector<TextSeries>> parse_exposition(std::string_view text);

}  // namespace katameter
