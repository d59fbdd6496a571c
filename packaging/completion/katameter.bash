# shellcheck shell=bash
# bash completion for host-probe and guest-probe. All it offers is what the
# program's own --help lists, so that it cannot fall behind the program.

# One line for each subcommand and option that `PROGRAM [SUBCOMMAND] --help`
# lists: "command NAME", "option NAME flag|value [VALUE...]".
_katameter_help() {
    "$@" --help 2>/dev/null | awk '
        function print_option() {
            if (name == "") return
            values = ""
            if (match(type, /\{[^}]+\}/)) values = substr(type, RSTART + 1, RLENGTH - 2)
            else if (text ~ /^[a-z]+(, [a-z]+)* or [a-z]+$/) values = text
            gsub(/, | or |,/, " ", values)
            print "option", name, type == "" ? "flag" : "value", values
            name = ""
        }
        /^[A-Z][a-z]*:$/ { print_option(); part = $0; next }
        part == "Subcommands:" && /^  [a-z]/ { print "command", $1 }
        part == "Options:" && /^  -/ {
            print_option()
            name = $1
            sub(/^.*,/, "", name)
            line = $0
            sub(/^ *[^ ]+ ?/, "", line)
            # The name, what it takes, and after two spaces or on a line of
            # its own what it is for.
            type = line
            text = ""
            if (line ~ /^ /) type = ""
            else if (match(line, /  +/)) type = substr(line, 1, RSTART - 1)
            if (match(line, /  +/)) text = substr(line, RSTART + RLENGTH)
            next
        }
        part == "Options:" && /^   +[^ ]/ && text == "" { text = $0; sub(/^ +/, "", text) }
        END { print_option() }'
}

_katameter() {
    local program=$1 current=$2 previous=$3 subcommand='' own all word i
    COMPREPLY=()
    all=$(_katameter_help "$program")
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $'\n'$all$'\n' == *$'\n'"command $word"$'\n'* ]]; then
            subcommand=$word
            break
        fi
    done
    own=$all
    if [[ $subcommand ]]; then
        own=$(_katameter_help "$program" "$subcommand")
        # The other subcommands of host-probe take the program's options too;
        # these say by themselves all that they take.
        [[ ${program##*/}:$subcommand == host-probe:@(top|metrics) ]] || own+=$'\n'$all
    fi
    if [[ $previous == --* ]]; then
        word=$(awk -v name="$previous" '$1 == "option" && $2 == name && $3 == "value" {
            $1 = $2 = $3 = ""
            print "value" $0
            exit
        }' <<<"$own")
        if [[ $word ]]; then
            # Without words of its own: a file, an address, a number.
            mapfile -t COMPREPLY < <(compgen -W "${word#value}" -- "$current")
            return
        fi
    fi
    if [[ $current == -* || $subcommand ]]; then
        word=$(awk '$1 == "option" { print $2 }' <<<"$own")
    else
        word=$(awk '$1 == "command" { print $2 }' <<<"$own")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

complete -o default -F _katameter host-probe guest-probe
