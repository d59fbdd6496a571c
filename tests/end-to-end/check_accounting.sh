#!/bin/bash
# usage: check_accounting.sh EARLIER LATER [contended]
#
# Checks the accounting of the demo's sandbox in two expositions: the components
# sum to the host's total in each, the total grew by what the processes used,
# nothing fell, and the residual is small: what the vCPUs' wait for a CPU can
# hide, and 2 % of the total; on an idle host there is no wait. That guest and
# host mean the same is seen by their own counters: the guest has not counted
# more than its vCPUs ran and waited. `contended`: the host had no idle CPU, so
# there must be wait and steal.

set -euo pipefail

awk -v contended="${3:-}" '
function label(key) {
    return match($0, "[{,]" key "=\"[^\"]*\"") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4) : ""
}
function fail(text) {
    print "FAILED: " text >"/dev/stderr"
    failed = 1
}
function grown(key) {
    return value[2, key] - value[1, key]
}
FNR == 1 { ++file }
/^#/ { next }
/^katameter_sandbox_cpu_seconds_total[{]/ { key = "cpu " label("component"); parts[file] += $NF; ++count[file] }
/^katameter_process_cpu_seconds_total[{]/ { processes[file] += $NF; key = "" ; if (label("role") == "vcpu") key = "vcpu" }
/^katameter_process_run_delay_seconds_total[{]/ { key = label("role") == "vcpu" ? "wait" : "" }
/^katameter_sandbox_(host_cpu|overhead_cpu|steal)_seconds_total[{]/ { key = $0; sub(/[{].*/, "", key) }
/^katameter_container_host_cpu_seconds_total[{]/ {
    divided[file, label("component")] += $NF
    key = "container " label("component") label("id")
}
/^katameter_sandbox_unattributed_cpu_seconds_total[{]/ {
    divided[file, label("component")] += $NF
    key = "unattributed " label("component")
}
/^katameter_guest_cpu_seconds_total[{]/ { guest[file] += $NF; value[file, "guest"] = guest[file]; first["guest"] }
/^katameter_sandbox_memory_bytes[{]/ { memory[file] += $NF }
/^katameter_sandbox_host_memory_bytes[{]/ { total_memory[file] = $NF }
/^katameter_sandbox_guest_ram_bytes[{]/ { ram[file] += $NF; if (label("use") == "residual") lost_ram[file] = $NF }
/^katameter_sandbox_memory_bytes[{].*component="guest_ram"/ { guest_ram[file] = $NF }
key != "" { value[file, key] = $NF; if (file == 1) first[key] }
{ key = "" }
END {
    parts_of_containers["workload"]; parts_of_containers["virtiofsd"]
    total = "katameter_sandbox_host_cpu_seconds_total"
    for (i = 1; i <= 2; i++) {
        if (count[i] != 9) fail("" count[i] + 0 " components of CPU time")
        if ((d = parts[i] - value[i, total]) > 1e-6 || d < -1e-6) fail("the components of CPU time are " d " s off the total")
        for (part in parts_of_containers)
            if ((d = divided[i, part] - value[i, "cpu " part]) > 1e-6 || d < -1e-6)
                fail("the containers and what is unattributed are " d " s off component " part)
        if (memory[i] != total_memory[i] || !memory[i]) fail("the components of memory are not the total")
        if (ram[i] != guest_ram[i]) fail("the uses of guest RAM are not the guest RAM")
        if (lost_ram[i] > 0.05 * ram[i]) fail("the guest knows nothing of " lost_ram[i] " bytes of its RAM")
    }
    for (key in first) if (grown(key) < 0) fail(key " fell by " -grown(key))
    if (grown(total) < 0.2) fail("the sandbox used only " grown(total) " s")
    d = grown(total) - (processes[2] - processes[1])
    if (d > 1e-6 || d < -1e-6) fail("the total grew by " d " s more than what the processes used")
    if (grown("cpu guest_silent") > 0) fail("the guest was silent")
    if (grown("cpu workload") <= 0 || grown("cpu guest_system") <= 0 || grown("cpu vmm") <= 0) fail("a component has no time")
    overhead = grown(total) - grown("cpu workload")
    d = grown("katameter_sandbox_overhead_cpu_seconds_total") - overhead
    if (d > 1e-6 || d < -1e-6) fail("the overhead is " d " s off")
    v = grown("vcpu"); w = grown("wait")
    residual = grown("cpu residual")
    may = 0.02 * grown(total) + (v + w > 0 ? v * w / (v + w) : 0)
    printf "accounting: total %.3f s, workload %.3f, guest system %.3f, residual %.4f (%.2f %%; may be %.4f), steal %.3f, waited %.3f\n",
        grown(total), grown("cpu workload"), grown("cpu guest_system"), residual, 100 * residual / grown(total), may,
        grown("katameter_sandbox_steal_seconds_total"), w
    if (residual > may) fail("the residual is too large")
    g = grown("guest")
    printf "the guest counted %.3f s, its vCPUs ran %.3f s and waited %.3f s\n", g, v, w
    if (g > 1.02 * (v + w) + 0.05) fail("the guest counted more than its vCPUs ran and waited")
    if (g < 0.5 * v) fail("the guest counted less than half of what its vCPUs ran")
    if (contended && (w < 0.3 * v || grown("katameter_sandbox_steal_seconds_total") < 0.1 * v))
        fail("the host had idle CPUs: this would have shown nothing")
    if (contended && g < v) fail("the guest did not count the wait: the accounting need not scale its counters")
    exit failed
}' "$1" "$2"
echo "the components sum to the total"
