# Makes the matrix of docs/kernels.md; see kernels.sh. Input: the reports of
# tests/vm/in_guest.sh, after the list of the rows that there are.

# The group of a value; used only where something is missing.
function group_of(figure) {
    if (figure ~ /^(cfs_|cpu_quota|cpu_period|cpu_shares)/) return "cfs"
    if (figure ~ /^pressure|_(waiting|stalled)_ns$/) return "pressure"
    if (figure ~ /^cpu_/) return "cpu"
    if (figure ~ /^threads/) return "threads"
    if (figure ~ /^memory_(usage|peak|limit|failcnt|swap_limit|reservation)/) return "memory"
    if (figure ~ /^memory_swap/) return "swap"
    if (figure ~ /^(memory_|page_faults|major_page_faults)/) return "memory.stat"
    if (figure ~ /^(oom|OOM)/) return "oom"
    if (figure ~ /^block_devices/) return "io"
    return figure ~ /^[a-z]+_[a-z_]+$/ ? "other" : ""
}

function note(row, group, text) {
    if (!(text in note_number)) {
        note_number[text] = ++notes
        note_text[notes] = text
    }
    if (index(lacks[row, group], "[" note_number[text] "]")) return
    lacks[row, group] = lacks[row, group] "[" note_number[text] "]"
    if (group != "*") add_group(group)
}

function add_group(group) {
    if (group in known) return
    known[group]
    groups[++group_count] = group
}

# `lost` is a text of guest-probe check: names of values, or one of a few phrases.
function note_lost(row, lost, text,    words, count, i, group) {
    if (lost ~ /^everything/) {
        note(row, "*", text)
        return
    }
    if (lost ~ /all memory figures/) {
        note(row, "memory", text)
        note(row, "memory.stat", text)
        note(row, "swap", text)
    }
    if (lost ~ /removed containers/) note(row, "removed", text)
    count = split(lost, words, /[,;: ]+/)
    for (i = 1; i <= count; i++)
        if ((group = group_of(words[i])) != "") note(row, group, text)
}

function cell(row, group,    ran, reasons) {
    if (!(row in started)) return "did not run"
    ran = passed[row, group] + failed[row, group]
    reasons = lacks[row, "*"] lacks[row, group]
    if (failed[row, group]) return "DIFFERS (" failed[row, group] " of " ran ")"
    if (ran && reasons) return "equal (" ran "), but " reasons
    if (ran) return "equal (" ran ")"
    return reasons ? "not there " reasons : "not compared"
}

BEGIN {
    FS = "\t"
    group_count = split("cpu cfs threads memory memory.stat swap io oom removed nested paths guest", groups, " ")
    for (i = 1; i <= group_count; i++) known[groups[i]]
    add_group("late CPU")
    split("any life cost read-cost cpu-v1 . .v2 v2 !hide hide bare", other, " ")
    for (i in other) no_group[other[i]]
}

FILENAME ~ /\/rows$/ {
    row_of[$1] = $2
    if (!($2 in tests_of)) rows[++row_count] = $2
    tests_of[$2]++
    next
}

FNR == 1 {
    name = FILENAME
    sub(/.*\//, "", name)
    row = row_of[name]
    if (row != "") started[row]
}
row == "" { next }

$1 == "@end" { ended[row]++ }
$1 == "@end" && $2 != 0 { bad[row] = bad[row] " " $2 }

$1 == "@test" {
    count = split($3, tags, /[][]+/)
    for (i = 1; i <= count; i++) {
        if (tags[i] == "" || tags[i] in no_group) continue
        add_group(tags[i])
        if ($2 == "passed") passed[row, tags[i]]++
        else if ($2 == "failed") failed[row, tags[i]]++
    }
}

$1 == "@check" && $2 ~ /NOT FOUND$/ {
    missing = $2
    sub(/ +NOT FOUND$/, "", missing)
}
$1 == "@check" && sub(/^ +lost: /, "", $2) { lost = $2 }
$1 == "@check" && sub(/^ +do: +/, "", $2) {
    if (sub(/^this figure: /, "", lost)) note(row, group_of(missing), "`" missing "`: " lost)
    else note_lost(row, lost, missing ": " $2)
}
$1 == "@check" && $2 ~ / absent: / {
    split($2, parts, / +absent: /)
    note(row, group_of(parts[1]), "`" parts[1] "`: " parts[2])
}

END {
    line = "| guest |"
    rule = "|---|"
    for (i = 1; i <= group_count; i++) {
        line = line " " groups[i] " |"
        rule = rule "---|"
    }
    print line
    print rule
    for (r = 1; r <= row_count; r++) {
        row = rows[r]
        line = "| " row
        if (row in started && ended[row] < tests_of[row])
            line = line " (" ended[row] + 0 " of " tests_of[row] " runs)"
        if (row in bad) line = line " (FAILED with status" bad[row] ")"
        line = line " |"
        for (i = 1; i <= group_count; i++) line = line " " cell(row, groups[i]) " |"
        print line
    }
    if (notes) print ""
    for (i = 1; i <= notes; i++) print "- [" i "] " note_text[i]
}
