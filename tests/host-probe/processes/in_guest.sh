#!/bin/bash
# usage: in_guest.sh PROCESSES_BPF_TESTS
#
# Runs inside a guest: what the kernel's threads for a VMM cost, with vhost-net, and what its cgroups are charged with.

set -euo pipefail
modprobe vhost_net
exec "$1" "[guest]"
