#!/bin/busybox sh
# shellcheck shell=dash
# usage: command.sh JOB
#
# Runs JOB/command with virtme-ng's ports as its input and output, hands out its
# exit status, and powers off.

ports=/dev/virtio-ports/virtme
busybox setsid busybox env -i PATH="$PATH" HOME=/root TMPDIR=/tmp TERM=dumb \
    bash "$1/command" <$ports.stdin >$ports.stdout 2>$ports.stderr
echo $? >$ports.ret
busybox sync
busybox poweroff -f
