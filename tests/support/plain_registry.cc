#include "tests/support/plain_registry.h"

#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <sstream>

#include "tests/support/exposition_text.h"

namespace katameter::host::testing {

Status PlainRegistry::fill(const std::string& text) {
  const auto series = parse_exposition(text);
  if (!series) return failure_from(series.error());
  std::map<std::string, prometheus::Family<prometheus::Gauge>*> families;
  for (const TextSeries& one : *series) {
    auto*& family = families[one.name];
    if (family == nullptr) family = &prometheus::BuildGauge().Name(one.name).Help("Help.").Register(registry_);
    family->Add({one.labels.begin(), one.labels.end()}).Set(one.value);
  }
  series_ = series->size();
  return {};
}

std::string PlainRegistry::written() const {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, registry_.Collect());
  return std::move(text).str();
}

}  // namespace katameter::host::testing
