#include "bench/host/exposed.h"

#include <prometheus/text_serializer.h>

#include <sstream>

#include "host-probe/exposition/render.h"

namespace katameter::bench {

std::string exposed(const NodeReport& report) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, render(report));
  return std::move(text).str();
}

}  // namespace katameter::bench
