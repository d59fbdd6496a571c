#!/bin/bash
# usage: check_fragments.sh
#
# The fragments for guest kernels, on the sources of both series that Kata's
# kernels are of: every line of them is in the resulting configuration, and
# the file for newer kernels is found not to hold on 5.10. Downloads the sources.

set -euo pipefail
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)

result() {
    # 1 where a line does not hold: what matters is which.
    "$root/vmtest/kernels/build.sh" --check "$@" || (($? == 1))
}

new_on_old='CONFIG_BPF_JIT=y CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y'
diff -u - <(
    result 5.10 katameter-5.10.conf 'katameter-5.10.conf katameter-full.conf' katameter.conf
    result 6.18 katameter.conf 'katameter.conf katameter-full.conf' katameter-5.10.conf
) <<END
5.10, katameter-5.10.conf: all there
5.10, katameter-5.10.conf katameter-full.conf: all there
5.10, katameter.conf: $new_on_old
6.18, katameter.conf: all there
6.18, katameter.conf katameter-full.conf: all there
6.18, katameter-5.10.conf: all there
END
