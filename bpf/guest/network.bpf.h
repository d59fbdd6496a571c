/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_GUEST_NETWORK_BPF_H
#define KATAMETER_GUEST_NETWORK_BPF_H

#include "bpf/guest/records.h"
#include "bpf/guest/state.bpf.h"
#include "bpf/kernel_net.h"
#include "bpf/lib/percpu.bpf.h"
#include "bpf/lib/text.bpf.h"

/*
 * What the kernel counts of a network namespace: /proc/net/snmp, snmp6, netstat and sockstat. Kata's containers are all in
 * that of the guest, as guest-probe is.
 *
 * Runs at the end of walk_tasks: four reads for each CPU that was ever online, and four for its sockets. No socket is
 * looked at. 5.10 and later.
 */

/* Where a counter is among the copies of a CPU's arrays (NETWORK_*), and from bit 8 on in which figure it is; how many
 * there are. Set before loading. */
const volatile __u16 network_counters[NETWORK_COUNTERS] = {};
const volatile __u32 network_counter_count = 0;

/* "used" as in lib/walk.bpf.h. */
static __u64 network_copies[NETWORK_ROOM] __attribute__((used));
static __u64 network_sums[NETWORK_FIGURES] __attribute__((used));
static __u64 network_sockets[NETWORK_SOCKETS] __attribute__((used));

/* By SOCKETS_*: proto.inuse_idx, and 1 more; 0: it is not known. */
static __u32 socket_places[NETWORK_SOCKETS] __attribute__((used));
static __u32 socket_places_known __attribute__((used));

enum {
  PROTOCOLS = 64, /* PROTO_INUSE_NR, and as many in the list */
};

#define ROOM_FOR(bytes, room) ((bytes) < (room) * sizeof(__u64) ? (bytes) : (room) * sizeof(__u64))

/* One CPU's array. */
#define COPY_MIB(type, table, place, room)                                                       \
  bpf_probe_read_kernel(&network_copies[place], ROOM_FOR(bpf_core_field_size(type, mibs), room), \
                        (void *)((table) + bpf_core_field_offset(type, mibs)))

static __always_inline void add_network(__u64 offset, __u64 mib, __u64 inuse, __u64 unused) {
  if (!bpf_core_field_exists(struct netns_mib, tcp_statistics)) return;
  const __u64 tcp = KREAD(struct netns_mib, mib, tcp_statistics) + offset;
  const __u64 general = KREAD(struct netns_mib, mib, net_statistics) + offset;
  const __u64 udp = KREAD(struct netns_mib, mib, udp_statistics) + offset;

  COPY_MIB(struct tcp_mib, tcp, NETWORK_TCP, NETWORK_LINUX - NETWORK_TCP);
  COPY_MIB(struct linux_mib, general, NETWORK_LINUX, NETWORK_UDP - NETWORK_LINUX);
  COPY_MIB(struct udp_mib, udp, NETWORK_UDP, NETWORK_UDP6 - NETWORK_UDP);
  if (bpf_core_field_exists(struct netns_mib___ipv6, udp_stats_in6)) {
    const __u64 udp6 = KREAD(struct netns_mib___ipv6, mib, udp_stats_in6) + offset;
    COPY_MIB(struct udp_mib, udp6, NETWORK_UDP6, NETWORK_ROOM - NETWORK_UDP6);
  }
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < NETWORK_COUNTERS; i++) {
    if (i >= network_counter_count) break;
    const __u32 counter = network_counters[i];
    network_sums[counter >> 8 & (NETWORK_FIGURES - 1)] += network_copies[counter & (NETWORK_ROOM - 1)];
  }
  for (int kind = 0; kind < SOCKETS_TIME_WAIT; kind++) {
    const __u32 place = socket_places[kind];
    if (!place) continue;
    const __u64 value = FIELD(struct prot_inuse, inuse + offset, val) + (place - 1) * sizeof(int);
    network_sockets[kind] += (__s64)(__s32)read_u32(value);
  }
}

DEFINE_CPU_LOOP(network, add_network)

/* One protocol of the list; "" and a name of another kind are not ours. */
__weak __noinline int note_protocol(__u64 protocol) {
  if (!bpf_core_field_exists(struct proto, inuse_idx)) return 0;
  const __u64 name = FIELD(struct proto, protocol, name);
  const __u32 index = KREAD(struct proto, protocol, inuse_idx);

  if (index >= PROTOCOLS) return 0;
  if (is_text(name, "TCP\0", 4)) socket_places[SOCKETS_TCP] = index + 1;
  if (is_text(name, "TCPv6\0", 6)) socket_places[SOCKETS_TCP6] = index + 1;
  if (is_text(name, "UDP\0", 4)) socket_places[SOCKETS_UDP] = index + 1;
  if (is_text(name, "UDPv6\0", 6)) socket_places[SOCKETS_UDP6] = index + 1;
  return 0;
}

/* Every namespace has a socket of rtnetlink, whose protocol leads to the others. */
static __always_inline void find_protocols(__u64 net) {
  const __u64 socket = KREAD(struct net, net, rtnl);
  const __u64 first = socket ? KREAD(struct sock_common, FIELD(struct sock, socket, __sk_common), skc_prot) : 0;
  __u64 protocol = first;

  if (!first) return;
  for (int i = 0; i < PROTOCOLS; i++) {
    note_protocol(protocol);
    const __u64 next = read_u64(FIELD(struct proto, protocol, node));
    if (!next) break;
    protocol = CONTAINER(struct proto, next, node);
    if (protocol == first) break;
  }
  socket_places_known = 1;
}

static __always_inline __u64 time_wait_of(__u64 net) {
  if (!bpf_core_field_exists(struct netns_ipv4, tcp_death_row)) return NOT_COUNTED;
  const __u64 row = FIELD(struct netns_ipv4, FIELD(struct net, net, ipv4), tcp_death_row);
  if (bpf_core_field_exists(struct inet_timewait_death_row___count, tw_count))
    return read_u32(FIELD(struct inet_timewait_death_row___count, row, tw_count));
  if (bpf_core_field_exists(struct inet_timewait_death_row, tw_refcount))
    return read_u32(FIELD(struct inet_timewait_death_row, row, tw_refcount)) - 1;
  return NOT_COUNTED;
}

/* Counts them into guest_status. */
static __always_inline void count_network(void) {
  struct guest_status *status = guest_status();

  if (!status || !bpf_core_field_exists(struct net, mib) || !network_counter_count) return;
  const __u64 nsproxy = KREAD(struct task_struct, bpf_get_current_task(), nsproxy);
  const __u64 net = nsproxy ? KREAD(struct nsproxy___net, nsproxy, net_ns) : 0;
  if (!net) return;
  if (!socket_places_known) find_protocols(net);
  for (int i = 0; i < NETWORK_FIGURES; i++) network_sums[i] = 0;
  for (int i = 0; i < NETWORK_SOCKETS; i++) network_sockets[i] = 0;
  network_on_cpus(FIELD(struct net, net, mib), KREAD(struct netns_core, FIELD(struct net, net, core), prot_inuse), 0);
  network_sockets[SOCKETS_TIME_WAIT] = time_wait_of(net);
  for (int i = 0; i < NETWORK_FIGURES; i++) status->network[i] = network_sums[i];
  for (int i = 0; i < NETWORK_SOCKETS; i++)
    status->sockets[i] = i < SOCKETS_TIME_WAIT && !socket_places[i] ? NOT_COUNTED : network_sockets[i];
  status->network_known = 1;
}

#endif
