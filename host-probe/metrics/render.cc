#include "host-probe/metrics/render.h"

#include <utility>

#include "host-probe/metrics/labelled_report.h"
#include "host-probe/metrics/render_containers.h"
#include "host-probe/metrics/table.h"

namespace katameter::host {
namespace {

void write(TextWriter& writer, const MetricGroup& group, const LabelledReport* report) {
  for (const MetricRow& row : group.rows) {
    if (row.write == nullptr) continue;
    SeriesWriter out(writer, row.metric, report);
    row.write(out);
  }
}

}  // namespace

void render(const NodeReport& report, TextWriter::Send send) {
  TextWriter writer(std::move(send));
  const LabelledReport labelled(report);
  add_containers(writer, labelled);
  for (const MetricGroup* group :
       {&container_group, &network_group, &guest_group, &accounting_group, &process_group, &node_group, &own_group}) {
    write(writer, *group, &labelled);
  }
  writer.finish();
}

void render_failure(TextWriter::Send send) {
  TextWriter writer(std::move(send));
  write(writer, own_group, nullptr);
  writer.finish();
}

}  // namespace katameter::host
