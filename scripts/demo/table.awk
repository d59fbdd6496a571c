# Two scrapes of /metrics, SECONDS apart, as a table:
#   awk -v seconds=5 -f table.awk OLD NEW
# Rates come from the difference, everything else from NEW.

function label(key,    start, text) {
    if (!match($0, "[{,]" key "=\"[^\"]*\""))
        return ""
    text = substr($0, RSTART, RLENGTH)
    start = index(text, "\"")
    return substr(text, start + 1, length(text) - start - 1)
}

function remember(kind, key) {
    if (!((kind, key) in known)) {
        known[kind, key]
        order[kind, ++count[kind]] = key
    }
}

# An absent value is shown as such: the kernel does not provide it.
function mib(what) {
    return what in new ? sprintf("%.1f MiB", new[what] / 1048576) : "-"
}

function cpu(what) {
    if (!(what in new) || !(what in old))
        return "-"
    return sprintf("%.1f %%", (new[what] - old[what]) / seconds * 100)
}

function limit(what) {
    if (!(what in new))
        return "-"
    return new[what] == 0 || new[what] > 2 ^ 60 ? "none" : mib(what)
}

/^#/ { next }

{
    metric = $0
    sub(/[{ ].*/, "", metric)
    sandbox = label("sandbox_id")
    if (metric ~ /^container_/) {
        split(label("id"), path, "/")
        sandbox = path[3]
        key = metric SUBSEP label("id")
        # Rows of one CPU or one device are not the container's.
        if (metric == "container_cpu_usage_seconds_total" && label("cpu") != "total")
            next
        remember("sandbox", sandbox)
        remember("container" sandbox, label("id"))
        title[label("id")] = label("container") != "" ? label("container") : substr(label("name"), 1, 12)
    } else if (metric ~ /^katameter_/ && sandbox != "") {
        key = metric SUBSEP sandbox SUBSEP label("role") label("component") label("owner")
        remember("sandbox", sandbox)
    } else {
        next
    }
    if (NR == FNR)
        old[key] = $NF
    else
        new[key] = $NF
}

function container_row(id) {
    printf "  %-14s %8s %11s %11s %11s %11s %11s %11s %6s\n", title[id],
        cpu("container_cpu_usage_seconds_total" SUBSEP id),
        mib("container_memory_usage_bytes" SUBSEP id),
        mib("container_memory_working_set_bytes" SUBSEP id),
        mib("container_memory_max_usage_bytes" SUBSEP id),
        limit("container_spec_memory_limit_bytes" SUBSEP id),
        mib("container_memory_rss" SUBSEP id),
        mib("container_memory_cache" SUBSEP id),
        ("container_oom_events_total" SUBSEP id) in new ? new["container_oom_events_total" SUBSEP id] : "-"
}

function host_row(sandbox, name, role, component) {
    printf "  %-14s %8s %11s\n", name,
        role == "" ? "" : cpu("katameter_process_cpu_seconds_total" SUBSEP sandbox SUBSEP role),
        component == "" ? "" : mib("katameter_sandbox_memory_bytes" SUBSEP sandbox SUBSEP component)
}

function guest_row(sandbox, name, owner) {
    printf "  %-14s %8s\n", name, cpu("katameter_guest_cpu_seconds_total" SUBSEP sandbox SUBSEP owner)
}

END {
    for (s = 1; s <= count["sandbox"]; s++) {
        sandbox = order["sandbox", s]
        up = new["katameter_guest_probe_up" SUBSEP sandbox SUBSEP ""]
        printf "sandbox %s, guest-probe %s\n", substr(sandbox, 1, 12), up ? "up" : "not reached"
        printf "  %-14s %8s %11s %11s %11s %11s %11s %11s %6s\n",
            "CONTAINER", "CPU", "MEMORY", "WORKING SET", "PEAK", "LIMIT", "RSS", "CACHE", "OOM"
        for (c = 1; c <= count["container" sandbox]; c++)
            container_row(order["container" sandbox, c])
        printf "  %-14s %8s\n", "IN THE GUEST", "CPU"
        guest_row(sandbox, "workload", "workload")
        guest_row(sandbox, "guest system", "guest_system")
        printf "  %-14s %8s %11s\n", "ON THE HOST", "CPU", "MEMORY"
        host_row(sandbox, "guest (vCPUs)", "vcpu", "guest_ram")
        host_row(sandbox, "VMM", "vmm", "vmm")
        host_row(sandbox, "virtiofsd", "virtiofsd", "virtiofsd")
        host_row(sandbox, "shim", "shim", "shim")
        host_row(sandbox, "page tables", "", "page_tables")
        printf "  %-14s %8s %11s\n", "overhead",
            cpu("katameter_sandbox_overhead_cpu_seconds_total" SUBSEP sandbox SUBSEP ""),
            mib("katameter_sandbox_overhead_memory_bytes" SUBSEP sandbox SUBSEP "")
    }
    if (!count["sandbox"])
        print "no sandbox yet"
}
