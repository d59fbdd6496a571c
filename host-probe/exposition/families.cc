#include "host-probe/exposition/families.h"

#include <string>
#include <utility>

namespace katameter {

void Families::add(const Descriptor& descriptor, Labels labels, double value) {
  const auto [position, is_new] = positions_.try_emplace(descriptor.name, families_.size());
  if (is_new) {
    prometheus::MetricFamily& family = families_.emplace_back();
    family.name = descriptor.name;
    family.help = descriptor.help;
    family.type = descriptor.type;
  }
  prometheus::ClientMetric& metric = families_[position->second].metric.emplace_back();
  metric.label = std::move(labels);
  if (descriptor.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

}  // namespace katameter
