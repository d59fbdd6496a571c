#!/bin/bash
# Both units, one after the other, and a node that is suspended; what vmtest/systemd.sh runs in the guest.
set -e
bash /usr/lib/vmtest/guest_unit.sh
bash /usr/lib/vmtest/host_unit.sh
bash /usr/lib/vmtest/suspend.sh
