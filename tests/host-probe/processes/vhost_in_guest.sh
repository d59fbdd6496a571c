#!/bin/bash
# usage: vhost_in_guest.sh PROCESSES_BPF_TESTS
#
# Runs inside a guest: with vhost-net, what the kernel's threads for a VMM cost.

set -euo pipefail
modprobe vhost_net
exec "$1" "[vhost]"
