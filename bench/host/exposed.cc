#include "bench/host/exposed.h"

#include "host-probe/exposition/render.h"

namespace katameter::bench {

std::string exposed(const NodeReport& report) {
  std::string text;
  for (const std::string& piece : render(report)) text += piece;
  return text;
}

}  // namespace katameter::bench
