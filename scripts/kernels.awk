# Makes the matrix of docs/kernels.md; see kernels.sh. Input: an earlier matrix, if
# its rows are to be kept; the list of the rows that there are; the reports of
# tests/vm/in_guest.sh.

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
    if (figure ~ /^virtiofs/) return "virtiofs"
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

# A cell of the earlier matrix, with its notes' numbers in this one.
function kept_cell_of(row, group,    text, done, number) {
    text = kept_cell[row, group]
    while (match(text, /\[[0-9]+\]/)) {
        number = substr(text, RSTART + 1, RLENGTH - 2)
        lacks[row, group] = ""
        note(row, group, kept_note[number])
        done = done substr(text, 1, RSTART - 1) lacks[row, group]
        text = substr(text, RSTART + RLENGTH)
    }
    return done text
}

# What ran has precedence; a run may be of some of a row's tests.
function cell(row, group,    ran, reasons, before) {
    if (!(row in started) && !(row in kept)) return "did not run"
    before = (row, group) in kept_cell ? kept_cell[row, group] : "not compared"
    ran = passed[row, group] + failed[row, group]
    reasons = lacks[row, "*"] lacks[row, group]
    if (failed[row, group]) return "DIFFERS (" failed[row, group] " of " ran ")"
    if (ran && reasons) return "equal (" ran "), but " reasons
    if (ran) return "equal (" ran ")"
    if (reasons && before !~ /^(equal|DIFFERS)/) return "not there " reasons
    if (before == "not compared" || (row in started && before == "did not run")) return "not compared"
    return kept_cell_of(row, group)
}

BEGIN {
    FS = "\t"
    group_count = split("cpu cfs threads memory memory.stat swap io oom removed nested paths guest", groups, " ")
    for (i = 1; i <= group_count; i++) known[groups[i]]
    add_group("late CPU")
    split("any both life cost read-cost cpu-apart . .v2 v2 !hide hide no-bpf many refused attached lockdown fifty-thousand hundred-thousand", other, " ")
    for (i in other) no_group[other[i]]
}

# The earlier matrix.
FILENAME ~ /\.md$/ && /^\| guest \|/ {
    count = split($0, names, / *\| */)
    for (i = 3; i < count; i++) add_group(kept_column[i] = names[i])
    next
}
FILENAME ~ /\.md$/ && /^\| / && length(kept_column) {
    count = split($0, cells, / *\| */)
    sub(/ \(.*/, "", cells[2]) # as END adds it
    kept[cells[2]]
    for (i = 3; i < count; i++) kept_cell[cells[2], kept_column[i]] = cells[i]
    next
}
FILENAME ~ /\.md$/ && match($0, /^- \[[0-9]+\] /) {
    kept_note[substr($0, 4, RLENGTH - 5)] = substr($0, RLENGTH + 1)
    next
}
FILENAME ~ /\.md$/ { next }

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
        if (row in started && ended[row] < tests_of[row] && !updates)
            line = line " (" ended[row] + 0 " of " tests_of[row] " runs)"
        if (row in bad) line = line " (FAILED with status" bad[row] ")"
        line = line " |"
        for (i = 1; i <= group_count; i++) line = line " " cell(row, groups[i]) " |"
        print line
    }
    if (notes) print ""
    for (i = 1; i <= notes; i++) print "- [" i "] " note_text[i]
}
