#pragma once

#include <span>
#include <string_view>

namespace katameter::host::http {

/// A file of host-probe/http/page/, as it was when host-probe was built.
struct PageFile {
  std::string_view name;
  std::string_view text;
};

std::span<const PageFile> page_files();

}  // namespace katameter::host::http
